use nudge_proto::TraceContext;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What others may put below `span`; `None` when nobody exports it, or its trace is not kept. From here on its own
/// parent stands.
#[must_use]
pub fn context_of(span: &Span) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then(|| TraceContext {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        is_sampled: true,
    })
}

/// Puts a new span below one of another process. When nobody exports it, nothing happens.
pub fn continue_from(span: &Span, parent: TraceContext) {
    if span.is_disabled() {
        return;
    }
    let TraceContext { trace_id, span_id, is_sampled } = parent;
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
    let remote = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    // A span that has begun already keeps its parent: it is in a trace, if in another one.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}
