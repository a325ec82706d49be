use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use nudge_proto::{
    CloseCode, DeviceId, Epoch, UserId,
    frame::Notice,
    watch::{Down, DownStream, Generation, Hold, Up, UpStream, WATCH_BATCH_MAX, Watch, WatchError},
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    held::{Held, HeldSession, StreamId},
    stream::DownQueue,
};
use crate::{
    auth::{Auth, Caller},
    bus::{Bus, BusEvent, Heard},
    clock::Clock,
    limits::{WATCH_SESSIONS_MAX, WATCH_STREAMS_MAX},
    store::{Ack, DeviceState, Store},
};

/// Serves the watch.
#[derive(Debug)]
pub struct WatchHub {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    auth: Arc<Auth>,
    clock: Clock,
    /// Every held device is looked up again once in this time.
    heartbeat: Duration,
    held: Mutex<Held>,
    streams: Mutex<HashMap<StreamId, Arc<DownQueue>>>,
    next_stream: AtomicU64,
    next_generation: AtomicU64,
    /// The bus lost something: sweep now.
    sweep_now: Notify,
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
        heartbeat: Duration,
    ) -> Arc<Self> {
        // Generations go on rising over a restart, because the time does.
        let first_generation = clock.now().0 << 20;
        let hub = Arc::new(Self {
            store,
            bus,
            auth,
            clock,
            heartbeat,
            held: Mutex::default(),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(1),
            next_generation: AtomicU64::new(first_generation),
            sweep_now: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let listener = hub.bus.subscribe();
        hub.spawn(Arc::clone(&hub).listen(listener));
        hub.spawn(Arc::clone(&hub).sweep_forever());
        hub
    }

    /// Ends every stream, and waits for what is running.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        for down in lock(&self.streams).values() {
            down.close();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Tells every stream the tickets' keys.
    pub fn push_keys(&self) {
        for down in lock(&self.streams).values() {
            down.push(Down::Keys(self.auth.ticket_keys()));
        }
    }

    /// Tells every stream that the store has a new epoch.
    pub fn push_epoch(&self, epoch: Epoch) {
        for down in lock(&self.streams).values() {
            down.push(Down::EpochChanged { epoch });
        }
    }

    /// How many sessions are held.
    #[must_use]
    pub fn held_sessions(&self) -> usize {
        lock(&self.held).len()
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

    fn tell(&self, event: BusEvent) {
        match event {
            BusEvent::Moved(moved) => {
                for moved in moved {
                    self.tell_head(moved.user_id, moved.notice, moved.except_device_id);
                }
            }
            BusEvent::Typing { to, typing } => {
                let held = lock(&self.held);
                for user_id in to {
                    for session in held.sessions(user_id) {
                        session.down.push_typing(user_id, typing);
                    }
                }
            }
            BusEvent::Revoked { user_id, device_id } => self.tell_revoked(user_id, device_id),
        }
    }

    fn tell_head(&self, user_id: UserId, notice: Notice, except: Option<DeviceId>) {
        let mut held = lock(&self.held);
        held.raise_head(user_id, notice.head);
        for session in held.sessions(user_id) {
            session.down.push_head(user_id, notice, except);
        }
    }

    fn tell_revoked(&self, user_id: UserId, device_id: Option<DeviceId>) {
        for session in lock(&self.held).sessions(user_id) {
            if device_id.is_none_or(|device_id| device_id == session.device_id) {
                self.auth.revoked.insert(Caller { user_id, device_id: session.device_id });
                let device_id = Some(session.device_id);
                session.down.push(Down::Revoked { user_id, device_id });
            }
        }
    }

    async fn sweep_forever(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.sweep(self.heartbeat) => {}
                // What the bus lost is looked up at once, not spread.
                () = self.sweep_now.notified() => self.sweep(Duration::ZERO).await,
            }
        }
    }

    /// Looks every held device up, in batches spread over `time`.
    async fn sweep(&self, time: Duration) {
        let devices = lock(&self.held).devices();
        let batches = devices.chunks(WATCH_BATCH_MAX);
        let pause = time / u32::try_from(batches.len().max(1)).unwrap_or(u32::MAX);
        if devices.is_empty() {
            tokio::time::sleep(pause).await;
        }
        for batch in batches {
            tokio::time::sleep(pause).await;
            match self.store.device_states(batch).await {
                Ok(states) => self.tell_states(batch, &states),
                Err(error) => tracing::warn!(%error, "the sweep could not read the store"),
            }
        }
        if let Err(error) = self.auth.reload_revoked().await {
            tracing::warn!(%error, "the sweep could not read the revocations");
        }
    }

    fn tell_states(&self, devices: &[(UserId, DeviceId)], states: &[DeviceState]) {
        for ((user_id, device_id), state) in devices.iter().zip(states) {
            if state.revoked {
                self.tell_revoked(*user_id, Some(*device_id));
                continue;
            }
            let mut held = lock(&self.held);
            if held.raise_head(*user_id, state.head) {
                let notice = Notice {
                    head: state.head,
                    message_id: state.newest_message,
                    ..Notice::default()
                };
                for session in held.sessions(*user_id) {
                    session.down.push_head(*user_id, notice, None);
                }
            }
        }
    }

    /// Reads one stream's upward half to its end.
    async fn serve(self: Arc<Self>, stream: StreamId, down: Arc<DownQueue>, mut up: UpStream) {
        while let Some(batch) = up.next().await {
            self.handle_up(stream, &down, batch).await;
        }
        self.forget(stream, &down);
    }

    fn forget(&self, stream: StreamId, down: &DownQueue) {
        lock(&self.held).remove_stream(stream);
        lock(&self.streams).remove(&stream);
        down.close();
    }

    async fn handle_up(&self, stream: StreamId, down: &Arc<DownQueue>, batch: Vec<Up>) {
        let mut holds = Vec::new();
        let mut acks = Vec::new();
        for up in batch {
            match up {
                Up::Hold(hold) => {
                    acks.extend(hold.acked.map(|cursor| Ack {
                        user_id: hold.user_id,
                        device_id: hold.device_id,
                        cursor,
                    }));
                    holds.extend(self.subscribe(stream, down, hold));
                }
                Up::Drop { session } => lock(&self.held).remove(stream, session),
                Up::Ack { user_id, device_id, cursor } => {
                    acks.push(Ack { user_id, device_id, cursor });
                }
            }
        }
        if !acks.is_empty() {
            self.store_acks(acks).await;
        }
        for holds in holds.chunks(WATCH_BATCH_MAX) {
            self.answer(stream, down, holds).await;
        }
    }

    /// The first half of registering: from here on, what moves is told.
    fn subscribe(
        &self,
        stream: StreamId,
        down: &Arc<DownQueue>,
        hold: Hold,
    ) -> Option<(Hold, Generation)> {
        let generation = hold.known.map_or_else(
            || Generation(self.next_generation.fetch_add(1, Ordering::Relaxed)),
            |known| known.generation,
        );
        let mut held = lock(&self.held);
        let refused = if held.len() >= WATCH_SESSIONS_MAX {
            Err(CloseCode::Overloaded)
        } else {
            let session = HeldSession::new(stream, Arc::clone(down), &hold, generation);
            held.insert(hold.user_id, session)
        };
        match refused {
            Ok(()) => Some((hold, generation)),
            Err(code) => {
                down.push(Down::Refused { session: hold.session, code });
                None
            }
        }
    }

    /// The second half: read the heads, then answer.
    async fn answer(&self, stream: StreamId, down: &DownQueue, holds: &[(Hold, Generation)]) {
        let devices: Vec<_> =
            holds.iter().map(|(hold, _)| (hold.user_id, hold.device_id)).collect();
        let states = self.store.device_states(&devices).await;
        for (at, (hold, generation)) in holds.iter().enumerate() {
            let refuse = match &states {
                Err(error) => {
                    tracing::warn!(%error, "a hello could not be answered");
                    Some(CloseCode::Unavailable)
                }
                Ok(states) if states[at].revoked => Some(CloseCode::Revoked),
                Ok(states) => {
                    lock(&self.held).raise_head(hold.user_id, states[at].head);
                    down.push(Down::Held {
                        session: hold.session,
                        generation: *generation,
                        epoch: states[at].epoch,
                        head: states[at].head,
                    });
                    None
                }
            };
            if let Some(code) = refuse {
                lock(&self.held).remove(stream, hold.session);
                down.push(Down::Refused { session: hold.session, code });
            }
        }
    }

    /// Losing an ack only delays retention and receipts: the device presents its cursor again.
    async fn store_acks(&self, acks: Vec<Ack>) {
        match self.store.ack(acks, self.clock.now()).await {
            Ok(verdicts) => {
                for error in verdicts.into_iter().filter_map(Result::err) {
                    tracing::debug!(%error, "an ack was refused");
                }
            }
            Err(error) => tracing::warn!(%error, "acks could not be stored"),
        }
    }
}

/// The hub as a watch: a handle, because a stream outlives the call that opened it.
#[derive(Clone, Debug)]
pub struct HubWatch(pub Arc<WatchHub>);

impl Watch for HubWatch {
    fn open(&self, up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>> {
        async move {
            let hub = &self.0;
            let stream = hub.next_stream.fetch_add(1, Ordering::Relaxed);
            let down = Arc::new(DownQueue::default());
            {
                let mut streams = lock(&hub.streams);
                if hub.stop.is_cancelled() || streams.len() >= WATCH_STREAMS_MAX {
                    let why = "this fetch node takes no more streams".to_owned();
                    return Err(WatchError::Unavailable(why));
                }
                streams.insert(stream, Arc::clone(&down));
            }
            down.push(Down::Keys(hub.auth.ticket_keys()));
            hub.spawn(Arc::clone(hub).serve(stream, Arc::clone(&down), up));
            let batches = stream::unfold(down, |down| async move {
                let batch = down.next().await?;
                Some((Ok(batch), down))
            });
            Ok(batches.boxed())
        }
        .boxed()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
