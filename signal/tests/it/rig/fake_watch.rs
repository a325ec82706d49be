use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use nudge_proto::{
    CloseCode, DeviceId, Epoch, InboxSeq, UserId,
    frame::{Notice, NoticeFlags},
    watch::{Down, DownStream, Generation, Hold, SessionKey, Up, UpStream, Watch, WatchError},
};
use tokio::sync::{Notify, mpsc};

use super::key;

/// A content service without content: it holds what it is asked to hold, keeps the order of each
/// device's connections, and tells what the test wants told.
#[derive(Debug, Default)]
pub(crate) struct FakeWatch {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    streams: Vec<mpsc::UnboundedSender<Result<Vec<Down>, WatchError>>>,
    /// Everything that was told, with the number of its stream, from 1 on.
    told: Vec<(usize, Up)>,
    held: HashMap<(UserId, DeviceId), (Hold, Generation)>,
    heads: HashMap<UserId, u64>,
    epoch: u64,
    generation: u64,
    is_refusing: bool,
    is_silent: bool,
}

impl FakeWatch {
    pub(crate) fn new() -> Arc<Self> {
        let watch = Self::default();
        watch.state.lock().unwrap().epoch = 1;
        Arc::new(watch)
    }

    /// Whether streams can be opened.
    pub(crate) fn refuse(&self, is_refusing: bool) {
        self.state.lock().unwrap().is_refusing = is_refusing;
    }

    /// Whether holds stay unanswered.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    pub(crate) fn set_head(&self, user_id: UserId, head: u64) {
        self.state.lock().unwrap().heads.insert(user_id, head);
    }

    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.state.lock().unwrap().epoch = epoch;
    }

    /// Forgets what was told and held, so that it takes no memory.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock().unwrap();
        state.told = Vec::new();
        state.held = HashMap::new();
    }

    /// Tells on the newest stream.
    pub(crate) fn tell(&self, item: Down) {
        let state = self.state.lock().unwrap();
        state.streams.last().unwrap().send(Ok(vec![item])).unwrap();
    }

    pub(crate) fn tell_head(&self, user_id: UserId, head: u64) {
        let notice = Notice { head: InboxSeq(head), message_id: None, flags: NoticeFlags::MESSAGE };
        self.tell(Down::Head { user_id, notice, except_device_id: None, trace: None });
    }

    /// Ends all streams.
    pub(crate) fn break_streams(&self) {
        let broken = WatchError::Unavailable("the test broke it".to_owned());
        for stream in &mut self.state.lock().unwrap().streams {
            let _ = stream.send(Err(broken.clone()));
        }
    }

    /// Waits until `count` streams were opened.
    pub(crate) async fn opened(&self, count: usize) {
        self.until(|state| state.streams.len() >= count).await;
    }

    /// Waits until something was told on `stream` that `wanted` finds, and returns that.
    pub(crate) async fn told<T>(&self, stream: usize, wanted: impl Fn(&Up) -> Option<T>) -> T {
        let mut found = None;
        self.until(|state| {
            let on_stream = state.told.iter().filter(|(number, _)| *number == stream);
            found = on_stream.filter_map(|(_, up)| wanted(up)).next_back();
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Everything that was told on `stream` so far.
    pub(crate) fn all_told(&self, stream: usize) -> Vec<Up> {
        let state = self.state.lock().unwrap();
        let on_stream = state.told.iter().filter(|(number, _)| *number == stream);
        on_stream.map(|(_, up)| up.clone()).collect()
    }

    /// The key of the device's session on `stream`.
    pub(crate) async fn session(&self, stream: usize, device_id: DeviceId) -> SessionKey {
        self.told(stream, |up| hold_of(up, device_id).map(|hold| hold.session)).await
    }

    /// Whether the node has closed `stream`.
    pub(crate) async fn closed(&self, stream: usize) {
        let sender = self.state.lock().unwrap().streams[stream - 1].clone();
        sender.closed().await;
    }

    async fn until(&self, mut is_true: impl FnMut(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_true(&self.state.lock().unwrap()) {
                return;
            }
            changed.await;
        }
    }
}

/// The hold of this device, if that is what was told.
pub(crate) fn hold_of(up: &Up, device_id: DeviceId) -> Option<Hold> {
    match up {
        Up::Hold(hold) => Some(*hold).filter(|hold| hold.device_id == device_id),
        Up::Drop { .. } | Up::Ack { .. } => None,
    }
}

impl State {
    fn take_in(&mut self, stream: usize, up: Up) {
        if let Up::Hold(hold) = &up
            && !self.is_silent
        {
            for answer in self.answer(*hold) {
                let _ = self.streams[stream - 1].send(Ok(vec![answer]));
            }
        }
        self.told.push((stream, up));
    }

    fn answer(&mut self, hold: Hold) -> Vec<Down> {
        let session = hold.session;
        let mut answers = Vec::new();
        let device = (hold.user_id, hold.device_id);
        let other = self.held.get(&device).filter(|(other, _)| other.session != session);
        if let Some((other, generation)) = other {
            let is_same_run = other.instance == hold.instance;
            let is_older = match hold.known {
                Some(known) => known.generation < *generation,
                None => is_same_run && hold.attempt < other.attempt,
            };
            let code = if is_same_run { CloseCode::Superseded } else { CloseCode::Replaced };
            if is_older {
                return vec![Down::Refused { session, code }];
            }
            answers.push(Down::Displaced { session: other.session, code });
        }
        self.generation += 1;
        let generation = hold.known.map_or(Generation(self.generation), |known| known.generation);
        self.held.insert(device, (hold, generation));
        let head = InboxSeq(self.heads.get(&hold.user_id).copied().unwrap_or_default());
        answers.push(Down::Held { session, generation, epoch: Epoch(self.epoch), head });
        answers
    }
}

/// What the service is given: the same watch, shared with the test.
#[derive(Debug)]
pub(crate) struct SharedWatch(pub(crate) Arc<FakeWatch>);

impl Watch for SharedWatch {
    fn open(&self, mut up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>> {
        let watch = Arc::clone(&self.0);
        async move {
            let (down, told) = mpsc::unbounded_channel();
            let number = {
                let mut state = watch.state.lock().unwrap();
                if state.is_refusing {
                    return Err(WatchError::Unavailable("the test refuses".to_owned()));
                }
                down.send(Ok(vec![Down::Keys(vec![key()])])).unwrap();
                state.streams.push(down);
                state.streams.len()
            };
            watch.changed.notify_waiters();
            tokio::spawn(async move {
                while let Some(batch) = up.next().await {
                    for item in batch {
                        watch.state.lock().unwrap().take_in(number, item);
                    }
                    watch.changed.notify_waiters();
                }
            });
            let stream = futures::stream::unfold(told, async |mut told| {
                told.recv().await.map(|item| (item, told))
            });
            Ok(stream.boxed())
        }
        .boxed()
    }
}
