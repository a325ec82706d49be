//! What the service counts and logs.
//!
//! Everything a peer can cause is counted; log lines about peers are limited, so that an attacker
//! cannot fill a disk.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nudge_proto::{
    CloseCode, MessageId, Milestone,
    milestone::{
        MILESTONE_SECONDS, MILESTONE_SECONDS_BOUNDS, MILESTONE_SECONDS_MEANING, MILESTONES,
        MILESTONES_MEANING, seconds_since,
    },
    watch::WatchError,
};
use parking_lot::Mutex;

use crate::limits::{LOG_LINES_PER_WINDOW, LOG_WINDOW};

/// The process's recorder; `None` when another service of the process, or its owner, has one already.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let milestones = Matcher::Full(MILESTONE_SECONDS.to_owned());
            PrometheusBuilder::new()
                .set_buckets_for_metric(milestones, &MILESTONE_SECONDS_BOUNDS)
                .and_then(PrometheusBuilder::install_recorder)
                .ok()
        })
        .as_ref()
}

fn describe() {
    describe_gauge!("nudge_signal_connections", "Connections, those before their hello included.");
    describe_counter!("nudge_signal_accepted_total", "Connections accepted.");
    describe_counter!("nudge_signal_rejected_total", "Connections turned away: the node was full.");
    describe_counter!("nudge_signal_hellos_total", "Hellos with a genuine ticket.");
    describe_counter!("nudge_signal_welcomes_total", "Sessions welcomed.");
    describe_counter!("nudge_signal_notices_total", "Notices handed to sockets.");
    describe_counter!(
        "nudge_signal_handshakes_failed_total",
        "TLS handshakes that failed or took too long."
    );
    describe_counter!("nudge_signal_watch_opened_total", "Times that the watch was opened.");
    describe_counter!("nudge_signal_errors_total", "Connections closed with an error, by code.");
    describe_counter!(OTHER_STORES, "Fetch nodes left alone because they serve another store.");
    describe_gauge!("nudge_signal_watch_up", "1 while the watch is up, 0 while it is not.");
    describe_counter!(MILESTONES, MILESTONES_MEANING);
    describe_histogram!(MILESTONE_SECONDS, Unit::Seconds, MILESTONE_SECONDS_MEANING);
}

/// What a service has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalStats {
    /// Connections that stand now, those before their hello included.
    pub connections: u64,
    /// Connections ever accepted.
    pub accepted: u64,
    /// Connections turned away because the node was full.
    pub rejected: u64,
    /// Hellos with a genuine ticket.
    pub hellos: u64,
    /// Sessions welcomed.
    pub welcomes: u64,
    /// Notices handed to sockets.
    pub notices: u64,
    /// Connections closed with an error frame.
    pub errors: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Times the watch was opened.
    pub watch_opened: u64,
    /// Whether the watch is up.
    pub watch_is_up: bool,
}

/// The counters behind [`SignalStats`] and the `nudge_signal_*` metrics.
#[derive(Debug)]
pub(crate) struct Telemetry {
    connections: Gauge,
    pub(crate) accepted: Tally,
    pub(crate) rejected: Tally,
    pub(crate) hellos: Tally,
    pub(crate) welcomes: Tally,
    pub(crate) notices: Tally,
    pub(crate) handshakes_failed: Tally,
    watch_opened: Tally,
    noticed: Counter,
    noticed_seconds: Histogram,
    errors: AtomicU64,
    watch_up: Gauge,
    /// Why the watch is down, while it is.
    watch_trouble: Mutex<Option<String>>,
    /// What somebody has to look at although it is up.
    watch_warning: Mutex<Option<String>>,
    /// For log lines about what peers do.
    pub(crate) peers: LogGate,
}

/// A fetch node serves another store than the one whose sessions this node holds.
pub(crate) fn met_another_store() {
    counter!(OTHER_STORES).increment(1);
}

const OTHER_STORES: &str = "nudge_signal_watch_other_stores_total";

impl Telemetry {
    pub(crate) fn new() -> Self {
        describe();
        nudge_trace::begin_counting();
        let violation = CloseCode::ProtocolViolation.as_str_name();
        counter!("nudge_signal_errors_total", "code" => violation).increment(0);
        counter!(OTHER_STORES).increment(0);
        let noticed = Milestone::Noticed.as_str();
        Self {
            noticed: counter!(MILESTONES, "milestone" => noticed),
            noticed_seconds: histogram!(MILESTONE_SECONDS, "milestone" => noticed),
            connections: gauge!("nudge_signal_connections"),
            accepted: Tally::new(counter!("nudge_signal_accepted_total")),
            rejected: Tally::new(counter!("nudge_signal_rejected_total")),
            hellos: Tally::new(counter!("nudge_signal_hellos_total")),
            welcomes: Tally::new(counter!("nudge_signal_welcomes_total")),
            notices: Tally::new(counter!("nudge_signal_notices_total")),
            handshakes_failed: Tally::new(counter!("nudge_signal_handshakes_failed_total")),
            watch_opened: Tally::new(counter!("nudge_signal_watch_opened_total")),
            errors: AtomicU64::new(0),
            watch_up: gauge!("nudge_signal_watch_up"),
            watch_trouble: Mutex::new(Some("it was not opened yet".to_owned())),
            watch_warning: Mutex::default(),
            peers: LogGate::default(),
        }
    }

    pub(crate) fn connection_opened(&self) {
        self.accepted.add_one();
        self.connections.increment(1);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.decrement(1);
    }

    /// A notice went to a socket.
    pub(crate) fn noticed(&self, message_id: Option<MessageId>, now_ms: u64) {
        self.notices.add_one();
        if let Some(message_id) = message_id {
            self.noticed.increment(1);
            self.noticed_seconds.record(seconds_since(message_id, now_ms));
            tracing::debug!(target: "nudge_delivery", milestone = "noticed", %message_id, "delivery");
        }
    }

    /// An error frame goes out.
    pub(crate) fn error_sent(&self, code: CloseCode) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        counter!("nudge_signal_errors_total", "code" => code.as_str_name()).increment(1);
    }

    /// There may be something for somebody to look at nevertheless.
    pub(crate) fn watch_is_up(&self, warning: Option<String>) {
        self.watch_opened.add_one();
        self.watch_up.set(1.0);
        *self.watch_trouble.lock() = None;
        *self.watch_warning.lock() = warning;
    }

    pub(crate) fn watch_is_down(&self, why: &WatchError) {
        self.watch_up.set(0.0);
        *self.watch_trouble.lock() = Some(why.to_string());
    }

    pub(crate) fn watch_warning(&self) -> Option<String> {
        self.watch_warning.lock().clone()
    }

    pub(crate) fn watch_trouble(&self) -> Option<String> {
        self.watch_trouble.lock().clone()
    }

    pub(crate) fn stats(&self, connections: usize, watch_is_up: bool) -> SignalStats {
        SignalStats {
            connections: connections as u64,
            accepted: self.accepted.get(),
            rejected: self.rejected.get(),
            hellos: self.hellos.get(),
            welcomes: self.welcomes.get(),
            notices: self.notices.get(),
            errors: self.errors.load(Ordering::Relaxed),
            handshakes_failed: self.handshakes_failed.get(),
            watch_opened: self.watch_opened.get(),
            watch_is_up,
        }
    }
}

/// A count that is a metric too; the metric's handle is looked up once.
#[derive(Debug)]
pub(crate) struct Tally {
    count: AtomicU64,
    metric: Counter,
}

impl Tally {
    fn new(metric: Counter) -> Self {
        Self { count: AtomicU64::new(0), metric }
    }

    pub(crate) fn add_one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Lets [`LOG_LINES_PER_WINDOW`] lines through per [`LOG_WINDOW`].
#[derive(Debug, Default)]
pub(crate) struct LogGate {
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began_at: Instant,
    lines: u32,
    suppressed: u64,
}

impl LogGate {
    /// Whether a line may be written at `now`; if so, how many were held back since the last one.
    pub(crate) fn open(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        let fresh = || Window { began_at: now, lines: 0, suppressed: 0 };
        let window = window.get_or_insert_with(fresh);
        if now.saturating_duration_since(window.began_at) >= LOG_WINDOW {
            window.began_at = now;
            window.lines = 0;
        }
        if window.lines >= LOG_LINES_PER_WINDOW {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_limit_are_counted_and_reported_later() {
        let gate = LogGate::default();
        let now = Instant::now();
        for _ in 0..LOG_LINES_PER_WINDOW {
            assert_eq!(gate.open(now), Some(0));
        }
        assert_eq!(gate.open(now), None);
        assert_eq!(gate.open(now), None);
        assert_eq!(gate.open(now + LOG_WINDOW), Some(2));
        assert_eq!(gate.open(now + LOG_WINDOW), Some(0));
    }
}
