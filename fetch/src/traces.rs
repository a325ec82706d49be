//! The spans that this service exports, in the words of OpenTelemetry's semantic conventions where these have one.
//!
//! One message is one trace: `request`, in it `commit` and `publish`; on each node whose signal nodes hold somebody
//! whom it concerns `tell`, below `publish`; and below that what the signal node does. Attributes are routes, ids
//! and counts, as in the log, and never content.

use axum::http::{HeaderMap, Method};
use nudge_proto::{MessageId, TraceContext};
use nudge_trace::{SPANS, context_of, continue_from};
use tracing::{Span, field::Empty, info_span};

use crate::{
    bus::{Bus, BusEvent},
    store::Moved,
    telemetry::method_word,
};

/// A request, up to the first byte of its answer's body; below the caller's span, if the caller says which. What
/// probes and scrapes ask for is in no trace.
pub(crate) fn request(method: &Method, route: &str, request_id: &str, headers: &HeaderMap) -> Span {
    if UNTRACED.contains(&route) {
        return Span::none();
    }
    let method = method_word(method);
    let span = info_span!(
        target: SPANS,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        nudge.request_id = request_id,
    );
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", format!("{method} {route}"));
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    if let Some(parent) = parent.and_then(TraceContext::from_traceparent) {
        continue_from(&span, parent);
    }
    span
}

/// It was answered.
pub(crate) fn answered(request: &Span, status: u16) {
    request.record("http.response.status_code", status);
    if status >= 500 {
        request.record("otel.status_code", "ERROR");
    }
}

/// A write, from when it waits for its turn until it is on disk.
pub(crate) fn commit() -> Span {
    info_span!(target: SPANS, "commit")
}

/// Tells the bus what moved, and where in a trace that belongs.
pub(crate) fn publish(bus: &dyn Bus, mut moved: Vec<Moved>) {
    let span = info_span!(
        target: SPANS,
        "publish",
        otel.kind = "producer",
        nudge.inboxes = moved.len(),
        nudge.message_id = message_of(&moved).map(tracing::field::display),
    );
    let trace = context_of(&span);
    if trace.is_some() {
        moved.iter_mut().for_each(|moved| moved.trace = trace);
    }
    bus.publish(BusEvent::Moved(moved));
}

/// Telling signal nodes what moved, all of one trace: whatever they do about it belongs below this span.
pub(crate) struct Telling {
    span: Span,
    /// For those who are told.
    pub(crate) trace: Option<TraceContext>,
}

impl Telling {
    /// Begins, where `above` published. Nothing is made of what belongs to no trace, or concerns nobody here.
    pub(crate) fn begin(above: Option<TraceContext>, moved: &[Moved], is_held: bool) -> Self {
        let Some(above) = above.filter(|_| is_held) else {
            return Self { span: Span::none(), trace: above };
        };
        let span = info_span!(
            target: SPANS,
            "tell",
            otel.kind = "consumer",
            nudge.inboxes = Empty,
            nudge.message_id = message_of(moved).map(tracing::field::display),
        );
        continue_from(&span, above);
        // A node that exports nothing passes on what it was given.
        let trace = context_of(&span).or(Some(above));
        Self { span, trace }
    }

    /// So many of the inboxes concern a session.
    pub(crate) fn end(self, held: usize) {
        self.span.record("nudge.inboxes", held);
    }
}

fn message_of(moved: &[Moved]) -> Option<MessageId> {
    moved.iter().find_map(|moved| moved.notice.message_id)
}

/// What asks again and again.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
