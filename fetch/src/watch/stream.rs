//! What waits to go down one stream: merged, so that its size is bounded by what the stream holds.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nudge_proto::{
    CloseCode, DeviceId, UserId,
    frame::{Notice, Typing},
    watch::{Down, SessionKey, WATCH_BATCH_MAX},
};
use tokio::sync::Notify;

/// One stream's queue downward.
#[derive(Debug, Default)]
pub(super) struct DownQueue {
    pending: Mutex<Pending>,
    /// For the one who takes batches.
    news: Notify,
    /// For the one who adds answers: some were taken, or the queue is closed.
    room: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    /// Answers, of which there is a limit, and at most one end for each session that is held.
    control: VecDeque<Down>,
    heads: HashMap<UserId, (Notice, Option<DeviceId>)>,
    typing: HashMap<UserId, Typing>,
    closed: bool,
}

impl DownQueue {
    pub(super) fn push(&self, down: Down) {
        self.with(|pending| pending.control.push_back(down));
    }

    pub(super) fn displace(&self, session: SessionKey, code: CloseCode) {
        self.push(Down::Displaced { session, code });
    }

    /// Merges a head: the highest stands, and a device is left out only when all agree on it.
    pub(super) fn push_head(&self, user_id: UserId, notice: Notice, except: Option<DeviceId>) {
        self.with(|pending| {
            let (merged, left_out) = pending.heads.entry(user_id).or_insert((notice, except));
            merged.merge(notice);
            if *left_out != except {
                *left_out = None;
            }
        });
    }

    /// The newest typing to a user stands.
    pub(super) fn push_typing(&self, to: UserId, typing: Typing) {
        self.with(|pending| {
            pending.typing.insert(to, typing);
        });
    }

    /// Nothing more will come, or nobody will take it.
    pub(super) fn close(&self) {
        self.with(|pending| pending.closed = true);
        self.room.notify_one();
    }

    /// Waits until answers may be added; false once the queue is closed.
    pub(super) async fn has_room(&self) -> bool {
        loop {
            let room = self.room.notified();
            {
                let pending = self.lock();
                if pending.closed {
                    return false;
                }
                if pending.control.len() < CONTROL_MAX {
                    return true;
                }
            }
            room.await;
        }
    }

    /// What `work` gives, or nothing when the queue is closed first.
    pub(super) async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let closed = async {
            loop {
                let room = self.room.notified();
                if self.lock().closed {
                    return;
                }
                room.await;
            }
        };
        tokio::select! {
            done = work => Some(done),
            () = closed => None,
        }
    }

    /// The next batch; `None` at the end.
    pub(super) async fn next(&self) -> Option<Vec<Down>> {
        loop {
            let news = self.news.notified();
            {
                let mut pending = self.lock();
                let batch = pending.take(WATCH_BATCH_MAX);
                if !batch.is_empty() {
                    self.room.notify_one();
                    return Some(batch);
                }
                if pending.closed {
                    return None;
                }
            }
            news.await;
        }
    }

    fn with(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock());
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers that may wait before a stream's upward half is read no further.
const CONTROL_MAX: usize = 16 * WATCH_BATCH_MAX;

impl Pending {
    fn take(&mut self, limit: usize) -> Vec<Down> {
        let mut batch: Vec<Down> = self.control.drain(..limit.min(self.control.len())).collect();
        let users: Vec<UserId> = self.heads.keys().take(limit - batch.len()).copied().collect();
        for user_id in users {
            if let Some((notice, except_device_id)) = self.heads.remove(&user_id) {
                batch.push(Down::Head { user_id, notice, except_device_id });
            }
        }
        let users: Vec<UserId> = self.typing.keys().take(limit - batch.len()).copied().collect();
        for to in users {
            if let Some(typing) = self.typing.remove(&to) {
                batch.push(Down::Typing { to, typing });
            }
        }
        batch
    }
}
