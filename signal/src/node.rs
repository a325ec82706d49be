//! What all connections of one service share.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use nudge_proto::{frame::GoAway, session::ServerLimits, ticket::TicketKey};
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::{
    alarms::Alarms,
    config::{SignalConfig, WallClock},
    limits::REJECTIONS_IN_FLIGHT_MAX,
    registry::Registry,
    seat::Seat,
    telemetry::{SignalStats, Telemetry},
    watch::Link,
};

/// What all connections of one service share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) session_limits: Arc<ServerLimits>,
    pub(crate) connections_per_user_max: usize,
    connections_max: usize,
    pub(crate) registry: Registry,
    pub(crate) alarms: Alarms,
    pub(crate) link: Link,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: WallClock,
    /// Absent until the watch was up for the first time.
    pub(crate) keys: RwLock<Option<Vec<TicketKey>>>,
    is_draining: AtomicBool,
    /// What clients are told once the node stops.
    go_away: OnceLock<GoAway>,
    connections: AtomicUsize,
    /// Told when the last connection has gone.
    emptied: Notify,
}

/// A connection's place among those of the node; gives everything back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) node: Arc<Node>,
    pub(crate) seat: Arc<Seat>,
}

/// Whether a connection is within the node's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Within,
    /// It is only told that the node is full.
    Above,
}

impl Node {
    pub(crate) fn new(config: &SignalConfig) -> Arc<Self> {
        Arc::new(Self {
            session_limits: Arc::new(config.session_limits()),
            connections_per_user_max: config.connections_per_user_max,
            connections_max: config.connections_max,
            registry: Registry::new(),
            alarms: Alarms::new(now()),
            link: Link::default(),
            telemetry: Telemetry::new(),
            clock: config.clock.clone(),
            keys: RwLock::default(),
            is_draining: AtomicBool::new(false),
            go_away: OnceLock::new(),
            connections: AtomicUsize::new(0),
            emptied: Notify::new(),
        })
    }

    /// A place for a connection that was just accepted, unless not even a refusal can be afforded.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<(Place, Standing)> {
        let others = self.connections.fetch_add(1, Ordering::AcqRel);
        let standing =
            if others < self.connections_max { Standing::Within } else { Standing::Above };
        if standing == Standing::Above {
            self.telemetry.rejected.add_one();
        }
        if others >= self.connections_max + REJECTIONS_IN_FLIGHT_MAX {
            self.connection_gone();
            return None;
        }
        self.telemetry.connection_opened();
        Some((Place { node: Arc::clone(self), seat: self.registry.seat() }, standing))
    }

    /// Replaces the keys that tickets are checked with.
    pub(crate) fn set_keys(&self, keys: Vec<TicketKey>) {
        let had_none = self.keys.write().replace(keys).is_none();
        if had_none {
            // Hellos that came before the first keys are waiting.
            self.registry.for_all(|seat| seat.nudge());
        }
    }

    /// From here on it is not ready.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Whether it is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Tells every client to go, once.
    pub(crate) fn send_all_away(&self, go_away: GoAway) {
        if self.go_away.set(go_away).is_ok() {
            self.registry.for_all(|seat| seat.send_away());
        }
    }

    /// What clients are told once the node stops.
    pub(crate) fn go_away(&self) -> Option<&GoAway> {
        self.go_away.get()
    }

    /// Brings every connection up whose deadline may have passed.
    pub(crate) fn ring_alarms(&self, now: Instant) {
        self.alarms.pass(self.alarms.tick_at(now), |tick, key| {
            let seat = self.registry.by_key(key);
            if let Some(next) = seat.and_then(|seat| seat.ring(tick)) {
                self.alarms.set(next, key);
            }
        });
    }

    /// Returns once no connection is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.connections.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    pub(crate) fn stats(&self) -> SignalStats {
        self.telemetry.stats(self.connections.load(Ordering::Acquire), self.link.is_up())
    }

    fn connection_gone(&self) {
        if self.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { node, seat } = self;
        node.registry.remove(seat);
        let presented_in = seat.leave();
        node.link.drop_session(seat.key(), presented_in);
        node.telemetry.connection_closed();
        node.connection_gone();
    }
}

/// The monotonic clock; a test may have paused it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
