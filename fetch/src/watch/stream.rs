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
    news: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    /// Answers and displacements: at most a few for each session.
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

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.with(|pending| pending.closed = true);
    }

    /// The next batch; `None` at the end.
    pub(super) async fn next(&self) -> Option<Vec<Down>> {
        loop {
            let news = self.news.notified();
            {
                let mut pending = self.lock();
                let batch = pending.take(WATCH_BATCH_MAX);
                if !batch.is_empty() {
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
