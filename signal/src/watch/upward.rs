//! What waits to be told to the watch.
//!
//! The queue is what the stream reads from: it grows only while the other side does not read, and
//! then by no more than one entry per session and one per acknowledging device.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::Stream;
use nudge_proto::{
    Cursor, DeviceId, UserId,
    limits::ACK_BATCH_DELAY,
    watch::{Hold, SessionKey, Up, WATCH_BATCH_MAX},
};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    limits::ACKS_PENDING_MAX,
    seat::{Seat, StreamNumber},
};

/// What waits to be told on one stream.
#[derive(Debug)]
pub(super) struct Upward {
    stream: StreamNumber,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Oldest first.
    holds: BTreeMap<SessionKey, (Arc<Seat>, Arrived)>,
    /// Of sessions that were presented: no more than were ever here at one time.
    drops: Vec<SessionKey>,
    acks: BTreeMap<(UserId, DeviceId), Cursor>,
    /// When the oldest ack has waited long enough.
    acks_due_at: Option<Instant>,
    reader: Option<Waker>,
    is_closed: bool,
}

/// When a session that is to be held said hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    /// While this stream was in use.
    InTime,
    /// Before: it may have waited for long.
    Earlier,
}

impl Upward {
    pub(super) fn new(stream: StreamNumber) -> Arc<Self> {
        Arc::new(Self { stream, queue: Mutex::default() })
    }

    pub(super) fn hold(&self, seat: Arc<Seat>) {
        self.change(|queue| {
            queue.holds.entry(seat.key()).or_insert((seat, Arrived::InTime));
        });
    }

    pub(super) fn hold_all(&self, seats: Vec<Arc<Seat>>) {
        self.change(|queue| {
            for seat in seats {
                queue.holds.entry(seat.key()).or_insert((seat, Arrived::Earlier));
            }
        });
    }

    pub(super) fn drop_session(&self, key: SessionKey, presented_in: StreamNumber) {
        self.change(|queue| {
            queue.holds.remove(&key);
            if presented_in == self.stream {
                queue.drops.push(key);
            }
        });
    }

    pub(super) fn ack(&self, user_id: UserId, device_id: DeviceId, cursor: Cursor) {
        let is_first = self.queue.lock().keep_ack((user_id, device_id), cursor);
        if is_first {
            // The reader has to set its timer.
            self.change(|_| ());
        }
    }

    /// Ends the stream.
    pub(super) fn close(&self) {
        self.change(|queue| queue.is_closed = true);
    }

    /// The stream that reads from here; there is one.
    pub(super) fn batches(self: Arc<Self>) -> Batches {
        Batches { upward: self, acks_due: Box::pin(sleep_until(Instant::now())) }
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock();
        change(&mut queue);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Queue {
    /// Whether it is the first that waits.
    fn keep_ack(&mut self, device: (UserId, DeviceId), cursor: Cursor) -> bool {
        let is_full = self.acks.len() >= ACKS_PENDING_MAX;
        match self.acks.entry(device) {
            Entry::Occupied(mut kept) => {
                if kept.get().epoch != cursor.epoch || kept.get().seq < cursor.seq {
                    kept.insert(cursor);
                }
            }
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(place) => {
                place.insert(cursor);
            }
        }
        let is_first = self.acks_due_at.is_none();
        self.acks_due_at.get_or_insert_with(|| Instant::now() + ACK_BATCH_DELAY);
        is_first
    }

    fn next_batch(&mut self, stream: StreamNumber, now: Instant) -> Vec<Up> {
        let mut batch = Vec::new();
        while batch.len() < WATCH_BATCH_MAX
            && let Some((_, (seat, arrived))) = self.holds.pop_first()
        {
            let hold = seat.present(stream);
            let late = arrived == Arrived::Earlier;
            batch.extend(
                hold.map(|hold| Up::Hold(Hold { late: late && hold.known.is_none(), ..hold })),
            );
        }
        let room = WATCH_BATCH_MAX - batch.len();
        let dropped = self.drops.drain(..room.min(self.drops.len()));
        batch.extend(dropped.map(|session| Up::Drop { session }));
        if self.acks_due_at.is_some_and(|due_at| due_at <= now) {
            self.take_acks(&mut batch);
        }
        batch
    }

    fn take_acks(&mut self, batch: &mut Vec<Up>) {
        while batch.len() < WATCH_BATCH_MAX {
            let Some(((user_id, device_id), cursor)) = self.acks.pop_first() else {
                self.acks_due_at = None;
                return;
            };
            batch.push(Up::Ack { user_id, device_id, cursor });
        }
    }
}

/// Batches for the watch, made when it asks for them.
#[derive(Debug)]
pub(super) struct Batches {
    upward: Arc<Upward>,
    acks_due: Pin<Box<Sleep>>,
}

impl Stream for Batches {
    type Item = Vec<Up>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<Up>>> {
        let Self { upward, acks_due } = self.get_mut();
        let mut queue = upward.queue.lock();
        loop {
            if queue.is_closed {
                return Poll::Ready(None);
            }
            let batch = queue.next_batch(upward.stream, Instant::now());
            if !batch.is_empty() {
                return Poll::Ready(Some(batch));
            }
            queue.reader = Some(context.waker().clone());
            let Some(due_at) = queue.acks_due_at else { return Poll::Pending };
            acks_due.as_mut().reset(due_at);
            if acks_due.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
