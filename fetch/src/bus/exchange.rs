use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{BusEvent, listener::Listeners, outbox::Outbox, peers::Peers, status::Status, wire};

/// One process's end of a bus between processes, whatever carries it.
///
/// What is published here is told here at once; the carrier brings it to the others, and what it brings
/// back of our own is no news. Batches are numbered, so that everybody notices what was lost.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) listeners: Listeners,
    pub(super) status: Status,
    /// Something waits to be carried.
    news: Notify,
    node: u64,
    sending: Mutex<Sending>,
    peers: Mutex<Peers>,
}

#[derive(Debug, Default)]
struct Sending {
    outbox: Outbox,
    /// That of the last batch.
    number: u64,
    /// Events were lost since then: the next batch passes over a number, which tells the others.
    has_lost: bool,
}

/// A batch to be carried.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) number: u64,
    /// How many events are in it.
    pub(super) events: usize,
    pub(super) bytes: Bytes,
}

impl Exchange {
    pub(super) fn new(carrier: &'static str, node: u64) -> Self {
        Self {
            listeners: Listeners::default(),
            status: Status::new(carrier),
            news: Notify::new(),
            node,
            sending: Mutex::default(),
            peers: Mutex::default(),
        }
    }

    /// Tells this process, and whom the carrier reaches.
    pub(super) fn publish(&self, event: BusEvent) {
        self.listeners.tell(event.clone());
        let lost = {
            let mut sending = lock(&self.sending);
            let lost = sending.outbox.push(event);
            sending.has_lost |= lost > 0;
            lost
        };
        self.status.lost(lost);
        self.news.notify_one();
    }

    /// Waits until something is to be carried.
    pub(super) async fn has_news(&self) {
        loop {
            let news = self.news.notified();
            if !self.is_empty() {
                return;
            }
            news.await;
        }
    }

    /// What is to be carried now, in at most so many batches of at most so many bytes; one without events
    /// when nothing waits.
    pub(super) fn take(&self, batches_max: usize, bytes_max: usize) -> Vec<Outgoing> {
        let mut sending = lock(&self.sending);
        let mut batches = Vec::new();
        while batches.is_empty() || (batches.len() < batches_max && !sending.outbox.is_empty()) {
            let events = sending.outbox.take(bytes_max - wire::EMPTY_BATCH_BYTES_MAX);
            sending.number += 1 + u64::from(std::mem::take(&mut sending.has_lost));
            let number = sending.number;
            let count = events.len();
            let bytes = wire::encode(self.node, number, events).into();
            batches.push(Outgoing { number, events: count, bytes });
        }
        batches
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.sending).outbox.is_empty()
    }

    /// Takes a batch from the carrier; its number, when it is our own that came back.
    pub(super) fn hear(&self, bytes: &[u8]) -> Option<u64> {
        let batch = match wire::Batch::decode(bytes) {
            Ok(batch) if batch.node == self.node => return Some(batch.number),
            Ok(batch) => batch,
            Err(error) => {
                tracing::debug!(%error, "the bus carried what is no batch");
                self.gap();
                return None;
            }
        };
        self.status.heard(batch.count);
        if lock(&self.peers).has_gap_before(batch.node, batch.number) {
            self.gap();
        }
        for event in batch.events {
            self.listeners.tell(event);
        }
        None
    }

    /// Something may have been lost on the way here.
    pub(super) fn gap(&self) {
        self.status.gap();
        self.listeners.tell_gap();
    }

    /// The carrier reaches the others, and they us; before that it may not have.
    pub(super) fn came_up(&self) {
        self.status.came_up();
        self.gap();
    }

    /// The carrier failed; what is worth nothing later does not wait.
    pub(super) fn went_down(&self, why: String) {
        self.status.went_down(why);
        let fleeting = lock(&self.sending).outbox.drop_fleeting();
        self.status.lost(fleeting);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
