use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::telemetry;

/// How a bus is, for readiness and for operators.
///
/// A bus that is down degrades: what one node commits, devices held through others learn of within a
/// heartbeat. It is no reason to be unready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusStatus {
    /// `local`, `postgres` or `nats`.
    pub carrier: &'static str,
    /// Whether other processes are reached, and reach this one.
    pub is_up: bool,
    /// Why it is not up; `None` while it is, and before the first attempt is over.
    pub error: Option<String>,
    /// Times it came up; what is above one are reconnects.
    pub connected: u64,
    /// Events carried to other processes.
    pub published: u64,
    /// Events heard from other processes.
    pub heard: u64,
    /// Events that were never carried: too many waited, or the connection broke over them.
    pub lost: u64,
    /// Times that listeners were told to look at the store.
    pub gaps: u64,
}

impl BusStatus {
    /// That of a bus that has nothing outside of the process.
    #[must_use]
    pub const fn within_the_process() -> Self {
        Self {
            carrier: "local",
            is_up: true,
            error: None,
            connected: 1,
            published: 0,
            heard: 0,
            lost: 0,
            gaps: 0,
        }
    }
}

/// Counts, and says when something changed.
#[derive(Debug)]
pub(super) struct Status {
    carrier: &'static str,
    state: Mutex<State>,
    connected: AtomicU64,
    published: AtomicU64,
    heard: AtomicU64,
    lost: AtomicU64,
    gaps: AtomicU64,
}

#[derive(Debug)]
enum State {
    Starting,
    Up,
    Down(String),
}

impl Status {
    pub(super) fn new(carrier: &'static str) -> Self {
        telemetry::bus_is_up(false);
        Self {
            carrier,
            state: Mutex::new(State::Starting),
            connected: AtomicU64::new(0),
            published: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> BusStatus {
        let state = self.state();
        BusStatus {
            carrier: self.carrier,
            is_up: matches!(*state, State::Up),
            error: match &*state {
                State::Down(why) => Some(why.clone()),
                State::Starting | State::Up => None,
            },
            connected: self.connected.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            heard: self.heard.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state(), State::Up)
    }

    pub(super) fn came_up(&self) {
        *self.state() = State::Up;
        let before = self.connected.fetch_add(1, Ordering::Relaxed);
        telemetry::bus_is_up(true);
        if before > 0 {
            telemetry::bus_reconnected();
        }
        tracing::info!(carrier = self.carrier, "the bus is up");
    }

    /// Logs a change, not every attempt.
    pub(super) fn went_down(&self, why: String) {
        let before = std::mem::replace(&mut *self.state(), State::Down(why.clone()));
        telemetry::bus_is_up(false);
        if matches!(before, State::Down(_)) {
            tracing::debug!(carrier = self.carrier, %why, "the bus is still down");
        } else {
            tracing::warn!(
                carrier = self.carrier,
                %why,
                "the bus is down: what other nodes commit is told within a heartbeat"
            );
        }
    }

    pub(super) fn published(&self, events: usize) {
        self.published.fetch_add(events as u64, Ordering::Relaxed);
        telemetry::bus_published(events);
    }

    pub(super) fn heard(&self, events: usize) {
        self.heard.fetch_add(events as u64, Ordering::Relaxed);
        telemetry::bus_heard(events);
    }

    pub(super) fn lost(&self, events: usize) {
        self.lost.fetch_add(events as u64, Ordering::Relaxed);
        telemetry::bus_lost(events);
    }

    pub(super) fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
        telemetry::bus_gap();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
