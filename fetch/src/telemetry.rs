//! What the service counts, for `/metrics` on the private listener.
//!
//! The process has one recorder: the first service to start installs it, and whatever else counts in
//! the same process is told with it. Labels are routes, statuses and outcomes, never users.

use std::{sync::OnceLock, time::Duration};

use axum::http::Method;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nudge_proto::{
    Milestone,
    milestone::{
        MILESTONE_SECONDS, MILESTONE_SECONDS_BOUNDS, MILESTONE_SECONDS_MEANING, MILESTONES,
        MILESTONES_MEANING,
    },
};

/// The process's recorder; `None` when the process had one of its own before.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER.get_or_init(install).as_ref()
}

/// A request was answered, up to the first byte of its answer's body.
pub(crate) fn answered(method: &Method, route: String, status: u16, time: Duration) {
    let labels = [("method", method_word(method).to_owned()), ("route", route)];
    histogram!(REQUEST_SECONDS, &labels).record(time);
    let [method, route] = labels;
    counter!(REQUESTS, &[method, route, ("status", status.to_string())]).increment(1);
}

/// A send was answered with success.
pub(crate) fn sent(created: bool) {
    let outcome = if created { "created" } else { "repeated" };
    counter!(SENDS, "outcome" => outcome).increment(1);
}

/// A batch of writes was committed, or failed to be.
pub(crate) fn committed(writes: usize, time: Duration, is_ok: bool) {
    counter!(COMMITS, "outcome" => if is_ok { "committed" } else { "failed" }).increment(1);
    histogram!(COMMIT_WRITES).record(writes as f64);
    histogram!(COMMIT_SECONDS).record(time);
}

/// A send was found to be well formed, and handed to the store.
pub(crate) fn accepted() {
    counter!(MILESTONES, "milestone" => Milestone::Accepted.as_str()).increment(1);
}

/// Retention removed messages.
pub(crate) fn expired(messages: u64) {
    counter!(MILESTONES, "milestone" => Milestone::Expired.as_str()).increment(messages);
}

/// A milestone of one message, that many seconds after its acceptance.
pub(crate) fn milestone(milestone: Milestone, seconds: f64) {
    counter!(MILESTONES, "milestone" => milestone.as_str()).increment(1);
    histogram!(MILESTONE_SECONDS, "milestone" => milestone.as_str()).record(seconds);
}

/// A mark moved, and nobody finds out what it passed over.
pub(crate) fn unaccounted() {
    counter!(UNACCOUNTED).increment(1);
}

/// Bytes of an upload are on disk.
pub(crate) fn uploaded(bytes: u64) {
    counter!(UPLOADED_BYTES).increment(bytes);
}

/// Bytes of a medium were handed to a connection.
pub(crate) fn downloaded(bytes: u64) {
    counter!(DOWNLOADED_BYTES).increment(bytes);
}

/// How much the watch holds at the moment.
pub(crate) fn watched(streams: usize, sessions: usize) {
    gauge!(WATCH_STREAMS).set(streams as f64);
    gauge!(HELD_SESSIONS).set(sessions as f64);
}

/// Whether the bus reaches other nodes.
pub(crate) fn bus_is_up(is_up: bool) {
    gauge!(BUS_UP).set(if is_up { 1.0 } else { 0.0 });
}

/// The bus came up again.
pub(crate) fn bus_reconnected() {
    counter!(BUS_RECONNECTS).increment(1);
}

/// Events went over the bus.
pub(crate) fn bus_published(events: usize) {
    counter!(BUS_PUBLISHED).increment(events as u64);
}

/// Events of other nodes came over the bus.
pub(crate) fn bus_heard(events: usize) {
    counter!(BUS_HEARD).increment(events as u64);
}

/// Events were never carried.
pub(crate) fn bus_lost(events: usize) {
    counter!(BUS_LOST).increment(events as u64);
}

/// Something may have been lost, and is looked up.
pub(crate) fn bus_gap() {
    counter!(BUS_GAPS).increment(1);
}

/// A method that a client made up is no label of its own.
pub(crate) fn method_word(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    const WORDS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("other", |at| WORDS[at])
}

fn install() -> Option<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let writes = Matcher::Full(COMMIT_WRITES.to_owned());
    let milestones = Matcher::Full(MILESTONE_SECONDS.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(writes, &WRITES))
        .and_then(|builder| builder.set_buckets_for_metric(milestones, &MILESTONE_SECONDS_BOUNDS));
    let installed = builder.and_then(PrometheusBuilder::install_recorder);
    let recorder = installed
        .inspect_err(|error| tracing::info!(%error, "/metrics tells nothing of this service"))
        .ok()?;
    describe();
    begin_at_zero();
    nudge_trace::begin_counting();
    Some(recorder)
}

fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "From a request's head to its answer's.");
    describe_counter!(SENDS, "Messages sent: created, or a retry of one that was there.");
    describe_counter!(COMMITS, "Commits of the database, each of many writes.");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "A commit, the disk included.");
    describe_histogram!(COMMIT_WRITES, "Writes that shared a commit.");
    describe_counter!(MILESTONES, MILESTONES_MEANING);
    describe_histogram!(MILESTONE_SECONDS, Unit::Seconds, MILESTONE_SECONDS_MEANING);
    describe_counter!(UNACCOUNTED, "Acks and reads that were too many to count their messages.");
    describe_counter!(UPLOADED_BYTES, Unit::Bytes, "Bytes of media made durable.");
    describe_counter!(DOWNLOADED_BYTES, Unit::Bytes, "Bytes of media sent.");
    describe_gauge!(WATCH_STREAMS, "Signal nodes that watch this node.");
    describe_gauge!(HELD_SESSIONS, "Connections that they hold.");
    describe_gauge!(BUS_UP, "1 while the bus between nodes carries, 0 while it does not.");
    describe_counter!(BUS_RECONNECTS, "Times that the bus came up again.");
    describe_counter!(BUS_PUBLISHED, "Events told to other nodes, merged ones once.");
    describe_counter!(BUS_HEARD, "Events heard from other nodes.");
    describe_counter!(BUS_LOST, "Events for other nodes that were never carried.");
    describe_counter!(BUS_GAPS, "Times that something may have been lost, and was looked up.");
}

/// What has not happened yet is told as such, and not left out.
fn begin_at_zero() {
    for outcome in ["created", "repeated"] {
        counter!(SENDS, "outcome" => outcome).increment(0);
    }
    for outcome in ["committed", "failed"] {
        counter!(COMMITS, "outcome" => outcome).increment(0);
    }
    for milestone in Milestone::ALL {
        counter!(MILESTONES, "milestone" => milestone.as_str()).increment(0);
    }
    for plain in [UNACCOUNTED, UPLOADED_BYTES, DOWNLOADED_BYTES] {
        counter!(plain).increment(0);
    }
    for bus in [BUS_RECONNECTS, BUS_PUBLISHED, BUS_HEARD, BUS_LOST, BUS_GAPS] {
        counter!(bus).increment(0);
    }
    // Within one process there is nothing that could be down.
    gauge!(BUS_UP).set(1.0);
    watched(0, 0);
}

const REQUESTS: &str = "nudge_fetch_requests_total";
const REQUEST_SECONDS: &str = "nudge_fetch_request_seconds";
const SENDS: &str = "nudge_fetch_sends_total";
const COMMITS: &str = "nudge_fetch_commits_total";
const COMMIT_SECONDS: &str = "nudge_fetch_commit_seconds";
const COMMIT_WRITES: &str = "nudge_fetch_commit_writes";
const UNACCOUNTED: &str = "nudge_fetch_unaccounted_total";
const UPLOADED_BYTES: &str = "nudge_fetch_uploaded_bytes_total";
const DOWNLOADED_BYTES: &str = "nudge_fetch_downloaded_bytes_total";
const WATCH_STREAMS: &str = "nudge_fetch_watch_streams";
const HELD_SESSIONS: &str = "nudge_fetch_held_sessions";
const BUS_UP: &str = "nudge_fetch_bus_up";
const BUS_RECONNECTS: &str = "nudge_fetch_bus_reconnects_total";
const BUS_PUBLISHED: &str = "nudge_fetch_bus_published_total";
const BUS_HEARD: &str = "nudge_fetch_bus_heard_total";
const BUS_LOST: &str = "nudge_fetch_bus_lost_total";
const BUS_GAPS: &str = "nudge_fetch_bus_gaps_total";

const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
const WRITES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
