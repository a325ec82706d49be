use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use nudge_proto::{
    DeviceId, Epoch, UserId,
    watch::{Down, DownStream, UpStream, Watch, WatchError},
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    held::{Held, SessionsPage, StreamId},
    sight::Sight,
    stream::DownQueue,
    streams::{Origin, SignalNodeView, Streams},
};
use crate::{
    auth::Auth,
    bus::{Bus, BusEvent, Connection, Heard},
    clock::Clock,
    milestones::Milestones,
    store::{Moved, Store},
    traces::Telling,
};

/// Serves the watch.
#[derive(Debug)]
pub struct WatchHub {
    pub(super) store: Arc<dyn Store>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) auth: Arc<Auth>,
    pub(super) clock: Clock,
    pub(super) milestones: Arc<Milestones>,
    /// Every held device is looked up again once in this time.
    pub(super) heartbeat: Duration,
    pub(super) sight: Sight,
    held: Mutex<Held>,
    streams: Mutex<Streams>,
    /// A stream has ended.
    left: Notify,
    /// The bus lost something: sweep now.
    pub(super) sweep_now: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl WatchHub {
    /// Begins to listen to the bus and to sweep.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        auth: Arc<Auth>,
        clock: Clock,
        milestones: Arc<Milestones>,
        heartbeat: Duration,
    ) -> Arc<Self> {
        let hub = Arc::new(Self {
            store,
            bus,
            auth,
            clock,
            milestones,
            heartbeat,
            sight: Sight::new(heartbeat),
            held: Mutex::default(),
            streams: Mutex::default(),
            left: Notify::new(),
            sweep_now: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let listener = hub.bus.subscribe();
        hub.spawn(Arc::clone(&hub).listen(listener));
        hub.spawn(Arc::clone(&hub).sweep_forever());
        hub.spawn(Arc::clone(&hub).push_changed_keys());
        hub
    }

    /// Takes no more streams, sends those there are elsewhere, and ends the ones that have not left when
    /// the time is over.
    pub async fn drain(&self, time: Duration) {
        {
            let mut streams = lock(&self.streams);
            streams.drain();
            let deadline_ms = time.as_millis().try_into().unwrap_or(u32::MAX);
            streams.push(&Down::Moving { deadline_ms });
        }
        let all_left = async {
            loop {
                let left = self.left.notified();
                if self.streams() == 0 {
                    return;
                }
                left.await;
            }
        };
        if tokio::time::timeout(time, all_left).await.is_err() {
            tracing::warn!(streams = self.streams(), "not every signal node has gone elsewhere");
            self.close_streams();
        }
    }

    /// Ends every stream, and waits for what is running.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.close_streams();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn close_streams(&self) {
        lock(&self.streams).close();
    }

    /// Ends every stream, and tells why.
    pub(super) fn end_streams(&self, why: &WatchError) {
        let streams = lock(&self.streams);
        if streams.len() > 0 {
            tracing::warn!(reason = %why, streams = streams.len(), "signal nodes are sent away");
        }
        streams.fail(why);
    }

    /// Tells every stream the tickets' keys.
    fn push_keys(&self) {
        lock(&self.streams).push(&Down::Keys(self.auth.ticket_keys()));
    }

    /// The store has this epoch. If it is a new one, every stream hears of it: sessions of another end and come
    /// back, and what was told of the former's numbers means nothing any more.
    pub fn learn_epoch(&self, epoch: Epoch) {
        {
            // Nobody tells a head of the new epoch before the streams have heard of it.
            let mut held = self.held();
            if !held.learn_epoch(epoch) {
                return;
            }
            lock(&self.streams).begin_epoch(epoch);
        }
        self.sweep_now.notify_one();
    }

    /// How many sessions are held.
    #[must_use]
    pub fn held_sessions(&self) -> usize {
        self.held().len()
    }

    /// A user's sessions.
    #[must_use]
    pub fn sessions_of(&self, user_id: UserId) -> SessionsPage {
        self.held().views_of(user_id)
    }

    /// Sessions by user id, from behind `after` on: those of as many users as it takes to have `limit`.
    #[must_use]
    pub fn sessions_page(&self, after: Option<UserId>, limit: usize) -> SessionsPage {
        self.held().page(after, limit)
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        lock(&self.streams).len()
    }

    /// Whose they are, the oldest first.
    #[must_use]
    pub fn signal_nodes(&self) -> Vec<SignalNodeView> {
        let held = self.held();
        lock(&self.streams).views(|stream| held.sessions_on(stream))
    }

    /// Who is held, for a moment.
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    /// A stream is gone.
    pub(super) fn forget(&self, stream: StreamId, down: &DownQueue) {
        self.held().remove_stream(stream);
        lock(&self.streams).remove(stream);
        self.left.notify_waiters();
        down.close();
    }

    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(work).await;
        });
    }

    async fn listen(self: Arc<Self>, mut listener: crate::bus::BusListener) {
        loop {
            match listener.hear().await {
                Heard::Event(event) => self.tell(event),
                Heard::Gap => self.sweep_now.notify_one(),
                Heard::Closed => return,
            }
        }
    }

    fn tell(self: &Arc<Self>, event: BusEvent) {
        match event {
            BusEvent::Moved(moved) => self.tell_moved(moved),
            BusEvent::Typing { to, typing } => {
                let held = self.held();
                for user_id in to {
                    for session in held.sessions(user_id) {
                        session.down.push_typing(user_id, typing);
                    }
                }
            }
            BusEvent::Kicked { user_id, device_id } => self.held().kick(user_id, device_id),
            BusEvent::Revoked { user_id, device_id } => self.tell_revoked(user_id, device_id),
            BusEvent::Connected(connected) => self.tell_connected(&connected),
            BusEvent::EpochChanged(epoch) => self.learn_epoch(epoch),
            BusEvent::KeysChanged => self.spawn(Arc::clone(self).reload_keys()),
        }
    }

    /// Older connections of these devices make room; whoever told of one that is older than ours is told
    /// so, because the event that did was lost.
    fn tell_connected(&self, connected: &[Connection]) {
        let newer: Vec<_> = {
            let mut held = self.held();
            connected.iter().filter_map(|connection| held.meet(connection)).collect()
        };
        if !newer.is_empty() {
            self.bus.publish(BusEvent::Connected(newer));
        }
    }

    async fn reload_keys(self: Arc<Self>) {
        if let Err(error) = self.auth.rotate().await {
            tracing::warn!(%error, "the keys could not be read");
        }
    }

    async fn push_changed_keys(self: Arc<Self>) {
        loop {
            self.auth.ticket_keys_changed().await;
            self.push_keys();
        }
    }

    fn tell_moved(&self, all: Vec<Moved>) {
        // Whoever commits in a new epoch may be the first to tell of it.
        if let Some(epoch) = all.iter().filter_map(|moved| moved.epoch).max() {
            self.learn_epoch(epoch);
        }
        let now = self.clock.now();
        // What one request moved comes together.
        for moved in all.chunk_by(|one, next| one.trace == next.trace) {
            let telling = self.begin_telling(moved);
            let mut told = 0;
            for moved in moved {
                let moved = Moved { trace: telling.trace, ..*moved };
                let is_held = self.held().tell_head(&moved);
                told += usize::from(is_held);
                if let Some(message_id) = moved.notice.message_id.filter(|_| is_held) {
                    self.milestones.told_signal(message_id, moved.user_id, now);
                }
            }
            telling.end(told);
        }
    }

    fn begin_telling(&self, moved: &[Moved]) -> Telling {
        let trace = moved.first().and_then(|moved| moved.trace);
        let is_held = trace.is_some() && {
            let held = self.held();
            moved.iter().any(|moved| !held.sessions(moved.user_id).is_empty())
        };
        Telling::begin(trace, moved, is_held)
    }

    /// Ends the tokens on this node whether or not it holds a session, and lets go of what it holds.
    pub(super) fn tell_revoked(&self, user_id: UserId, device_id: Option<DeviceId>) {
        self.auth.revoke(user_id, device_id);
        self.held().revoke(user_id, device_id);
    }
}

/// The hub as a watch: a handle, because a stream outlives the call that opened it.
#[derive(Clone, Debug)]
pub struct HubWatch(pub Arc<WatchHub>);

impl HubWatch {
    /// Opens a stream that comes from there.
    pub(super) async fn open_from(
        &self,
        origin: Origin,
        up: UpStream,
    ) -> Result<DownStream, WatchError> {
        let hub = &self.0;
        hub.sees().await?;
        let (stream, down) = {
            let mut streams = lock(&hub.streams);
            // Whoever stops the hub closes what is there by then.
            if hub.stop.is_cancelled() {
                return Err(WatchError::Unavailable("this fetch node stops".to_owned()));
            }
            streams.open(origin, hub.clock.now())?
        };
        down.push(Down::Keys(hub.auth.ticket_keys()));
        hub.spawn(Arc::clone(hub).serve(stream, Arc::clone(&down), up));
        let batches = stream::unfold(Downward(down), |down| async move {
            let batch = match down.0.next().await {
                Some(batch) => Ok(batch),
                None => Err(down.0.take_failure()?),
            };
            Some((batch, down))
        });
        Ok(batches.boxed())
    }
}

impl Watch for HubWatch {
    fn open(&self, up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>> {
        self.open_from(Origin::default(), up).boxed()
    }
}

/// A stream's downward half; without it there is nobody to tell.
struct Downward(Arc<DownQueue>);

impl Drop for Downward {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
