//! Which traces are kept.

use opentelemetry::{
    Context, KeyValue, TraceId,
    trace::{Link, SpanKind, TraceContextExt},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::config::Ratio;

/// Keeps a share of the traces, and no others: a caller can have his trace left out, and cannot have more kept than
/// the operator wants. Which ones is in the trace's id, so that all nodes agree.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    of_all: Sampler,
}

impl Share {
    pub(crate) const fn new(ratio: Ratio) -> Self {
        Self { of_all: Sampler::TraceIdRatioBased(ratio.get()) }
    }
}

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.of_all.should_sample(parent, trace_id, name, kind, attributes, links);
        let parent = parent.filter(|parent| parent.has_active_span());
        let above = parent.map(|parent| parent.span().span_context().clone());
        if let Some(above) = above.filter(opentelemetry::trace::SpanContext::is_valid) {
            result.decision = match (above.is_sampled(), above.is_remote()) {
                (false, _) => SamplingDecision::Drop,
                (true, false) => SamplingDecision::RecordAndSample,
                (true, true) => result.decision,
            };
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        SpanId, TraceFlags,
        trace::{SpanContext, TraceState},
    };

    use super::*;

    /// How many of 1,000 traces are kept, whose parent is sampled and remote, or not.
    fn kept(ratio: &str, parent: Option<(bool, bool)>) -> usize {
        let share = Share::new(ratio.parse().unwrap());
        let is_kept = |trace: &u64| {
            let id = TraceId::from(u128::from(trace.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            let parent = parent.map(|(is_sampled, is_remote)| {
                let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
                let span = SpanId::from(1);
                let above = SpanContext::new(id, span, flags, is_remote, TraceState::NONE);
                Context::new().with_remote_span_context(above)
            });
            let (kind, parent) = (SpanKind::Server, parent.as_ref());
            let result = share.should_sample(parent, id, "request", &kind, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        };
        (1..=1000).filter(is_kept).count()
    }

    #[test]
    fn a_caller_gets_no_more_traces_kept_than_the_operator_wants() {
        let (sampled, unsampled) = (Some((true, true)), Some((false, true)));
        assert_eq!((kept("1", None), kept("1", sampled), kept("1", unsampled)), (1000, 1000, 0));
        assert_eq!((kept("0", None), kept("0", sampled)), (0, 0));
        let share = kept("0.1", None);
        assert!((50..200).contains(&share), "{share} of 1000");
        assert_eq!(kept("0.1", sampled), share, "the same ones");
    }

    #[test]
    fn what_begun_in_this_process_is_kept_whole_or_not_at_all() {
        assert_eq!(kept("0.1", Some((true, false))), 1000);
        assert_eq!(kept("0.1", Some((false, false))), 0);
    }
}
