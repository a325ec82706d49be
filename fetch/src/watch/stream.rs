//! What waits to go down one stream: merged, so that its size is bounded by what the stream holds.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nudge_proto::{
    CloseCode, DeviceId, Epoch, TraceContext, UserId,
    frame::{Notice, Typing},
    watch::{Down, SessionKey, WATCH_BATCH_MAX, WatchError},
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
    heads: ByUser<Head>,
    typing: ByUser<Typing>,
    closed: bool,
    /// Why it was closed, if the node is to be told.
    failure: Option<WatchError>,
}

/// A head, the device that is left out, and the trace of what moved it.
pub(super) type Head = (Notice, Option<DeviceId>, Option<TraceContext>);

/// One thing for each user, in the order in which they began to wait: however much happens to some,
/// nobody waits for ever.
#[derive(Debug)]
struct ByUser<T> {
    things: HashMap<UserId, T>,
    order: VecDeque<UserId>,
}

impl<T> Default for ByUser<T> {
    fn default() -> Self {
        Self { things: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> ByUser<T> {
    /// Adds it, or merges it with what waits.
    fn push(&mut self, user_id: UserId, thing: T, merge: impl FnOnce(&mut T, T)) {
        match self.things.entry(user_id) {
            Entry::Occupied(mut waiting) => merge(waiting.get_mut(), thing),
            Entry::Vacant(place) => {
                place.insert(thing);
                self.order.push_back(user_id);
            }
        }
    }

    fn pop(&mut self) -> Option<(UserId, T)> {
        let user_id = self.order.pop_front()?;
        self.things.remove(&user_id).map(|thing| (user_id, thing))
    }
}

impl DownQueue {
    pub(super) fn push(&self, down: Down) {
        self.with(|pending| pending.control.push_back(down));
    }

    /// The node hears of a new epoch; heads of the former that still wait would be taken for the new one's.
    pub(super) fn begin_epoch(&self, epoch: Epoch) {
        self.with(|pending| {
            pending.heads = ByUser::default();
            pending.control.push_back(Down::EpochChanged { epoch });
        });
    }

    pub(super) fn displace(&self, session: SessionKey, code: CloseCode) {
        self.push(Down::Displaced { session, code });
    }

    /// Merges a head: the highest stands with its trace, and a device is left out only when all agree on it.
    pub(super) fn push_head(&self, user_id: UserId, head: Head) {
        self.with(|pending| {
            pending.heads.push(
                user_id,
                head,
                |(merged, left_out, traced), (notice, except, trace)| {
                    if notice.head >= merged.head {
                        *traced = trace;
                    }
                    merged.merge(notice);
                    if *left_out != except {
                        *left_out = None;
                    }
                },
            );
        });
    }

    /// The newest typing to a user stands.
    pub(super) fn push_typing(&self, to: UserId, typing: Typing) {
        self.with(|pending| {
            pending.typing.push(to, typing, |waiting, newest| *waiting = newest);
        });
    }

    /// Nothing more will come, or nobody will take it.
    pub(super) fn close(&self) {
        self.with(|pending| pending.closed = true);
        self.room.notify_one();
    }

    /// The node is told why nothing more will come.
    pub(super) fn fail(&self, why: WatchError) {
        self.with(|pending| pending.failure = Some(why));
        self.close();
    }

    /// What the node is to be told at the end, once.
    pub(super) fn take_failure(&self) -> Option<WatchError> {
        self.lock().failure.take()
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
        while batch.len() < limit
            && let Some((user_id, (notice, except_device_id, trace))) = self.heads.pop()
        {
            batch.push(Down::Head { user_id, notice, except_device_id, trace });
        }
        while batch.len() < limit
            && let Some((to, typing)) = self.typing.pop()
        {
            batch.push(Down::Typing { to, typing });
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use nudge_proto::InboxSeq;

    use super::*;

    fn head(seq: u64) -> Notice {
        Notice { head: InboxSeq(seq), ..Notice::default() }
    }

    #[tokio::test]
    async fn p4_however_much_happens_to_some_nobody_waits_for_ever() {
        let (queue, quiet) = (DownQueue::default(), UserId::random());
        let busy: Vec<_> = (0..2 * WATCH_BATCH_MAX).map(|_| UserId::random()).collect();
        busy.iter().for_each(|user| queue.push_head(*user, (head(1), None, None)));
        queue.push_head(quiet, (head(1), None, None));
        for round in 0..3 {
            busy.iter().for_each(|user| queue.push_head(*user, (head(round + 2), None, None)));
            let batch = queue.next().await.unwrap();
            let is_quiets =
                |down: &Down| matches!(down, Down::Head { user_id, .. } if *user_id == quiet);
            if batch.iter().any(is_quiets) {
                return;
            }
        }
        panic!("three batches of {WATCH_BATCH_MAX} passed the quiet one by");
    }

    #[tokio::test]
    async fn p5_heads_of_a_user_merge_and_spare_a_device_only_when_all_do() {
        let (queue, user, device) =
            (DownQueue::default(), UserId::random(), Some(DeviceId::random()));
        let trace = |span: u8| TraceContext::from_slice(&[span; TraceContext::BYTES]);
        queue.push_head(user, (head(5), device, trace(5)));
        queue.push_head(user, (head(3), device, trace(3)));
        let told = |head_seq, except_device_id, trace| {
            let notice = head(head_seq);
            Some(vec![Down::Head { user_id: user, notice, except_device_id, trace }])
        };
        assert_eq!(queue.next().await, told(5, device, trace(5)));
        queue.push_head(user, (head(6), device, trace(6)));
        queue.push_head(user, (head(7), None, None));
        assert_eq!(queue.next().await, told(7, None, None), "the trace is that of the head");
        queue.close();
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test]
    async fn p4_heads_that_wait_when_a_new_epoch_begins_are_not_told_behind_it() {
        let (queue, user, epoch) = (DownQueue::default(), UserId::random(), Epoch(2));
        queue.push_head(user, (head(9), None, None));
        queue.begin_epoch(epoch);
        queue.push_head(user, (head(4), None, None));
        let told = vec![
            Down::EpochChanged { epoch },
            Down::Head { user_id: user, notice: head(4), except_device_id: None, trace: None },
        ];
        assert_eq!(queue.next().await, Some(told));
    }

    #[tokio::test]
    async fn p5_a_queue_that_nobody_takes_from_has_no_room_in_the_end() {
        let queue = DownQueue::default();
        for session in 0..CONTROL_MAX as u64 {
            assert!(queue.has_room().await);
            queue.push(Down::Refused { session, code: CloseCode::Revoked });
        }
        let mut room = Box::pin(queue.has_room());
        assert!(futures::poll!(&mut room).is_pending());
        queue.next().await.unwrap();
        assert!(room.await);
        queue.close();
        assert!(!queue.has_room().await);
    }
}
