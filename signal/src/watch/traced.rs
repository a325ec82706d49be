//! The spans that a node exports of what it was told.

use nudge_proto::{MessageId, TraceContext};
use nudge_trace::{SPANS, continue_from};
use tracing::{Span, field::Empty, info_span};

/// The span of the heads that are being told: those of one trace that follow each other in a batch share it. It
/// ends once the sessions have the notice in their mailboxes, and the next one begins.
#[derive(Debug, Default)]
pub(super) struct Traced {
    trace: Option<TraceContext>,
    span: Option<Span>,
    sessions: usize,
}

impl Traced {
    /// A head of this trace comes next.
    pub(super) fn begin(&mut self, trace: Option<TraceContext>, message_id: Option<MessageId>) {
        if self.trace == trace {
            return;
        }
        self.end();
        self.trace = trace;
        self.span = trace.map(|trace| {
            let span = info_span!(
                target: SPANS,
                "notify",
                otel.kind = "consumer",
                nudge.sessions = Empty,
                nudge.message_id = message_id.map(tracing::field::display),
            );
            continue_from(&span, trace);
            span
        });
    }

    /// It concerned so many sessions.
    pub(super) const fn add(&mut self, sessions: usize) {
        self.sessions += sessions;
    }

    fn end(&mut self) {
        let sessions = std::mem::take(&mut self.sessions);
        if let Some(span) = self.span.take() {
            span.record("nudge.sessions", sessions);
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.end();
    }
}
