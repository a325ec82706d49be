//! What became of the spans, counted, and when to say so.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use metrics::{counter, describe_counter};

use crate::limits::COMPLAINT_INTERVAL;

/// Describes the counters and begins them at zero; for a service that has a recorder.
pub fn begin_counting() {
    describe_counter!(
        SPANS_TOTAL,
        "Spans of traces: exported, refused by the collector, or lost for want of room or time."
    );
    for outcome in ["exported", "refused", "lost"] {
        counter!(SPANS_TOTAL, "outcome" => outcome).increment(0);
    }
}

const SPANS_TOTAL: &str = "nudge_trace_spans_total";

/// What became of the spans.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Not exported, and not yet told of.
    untold: AtomicU64,
}

impl Account {
    /// The collector has them.
    pub(crate) fn exported(&self, spans: usize) {
        counter!(SPANS_TOTAL, "outcome" => "exported").increment(spans as u64);
    }

    /// The collector does not want them.
    pub(crate) fn refused(&self, spans: usize) {
        counter!(SPANS_TOTAL, "outcome" => "refused").increment(spans as u64);
        self.untold.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// There was no room for them, or no time.
    pub(crate) fn lost(&self, spans: usize) {
        counter!(SPANS_TOTAL, "outcome" => "lost").increment(spans as u64);
        self.untold.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// How many were refused or lost since this was asked last.
    pub(crate) fn take_untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// Whether there are such.
    pub(crate) fn has_untold(&self) -> bool {
        self.untold.load(Ordering::Relaxed) > 0
    }
}

/// Says when trouble is worth a line: at once, then rarely, and once when it is over.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said_at: Option<Instant>,
    is_open: bool,
}

impl Complaints {
    /// There is trouble at `now`; true if that is to be said.
    pub(crate) fn trouble(&mut self, now: Instant) -> bool {
        let is_due =
            self.said_at.is_none_or(|said_at| now.duration_since(said_at) >= COMPLAINT_INTERVAL);
        if is_due {
            (self.said_at, self.is_open) = (Some(now), true);
        }
        is_due
    }

    /// There is none; true if the last that was said is that there is.
    pub(crate) const fn is_over(&mut self) -> bool {
        std::mem::replace(&mut self.is_open, false)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn trouble_that_lasts_or_comes_and_goes_is_said_at_a_bounded_rate() {
        let mut complaints = Complaints::default();
        let begun = Instant::now();
        assert!(!complaints.is_over(), "nothing was said");
        let (mut said, mut taken_back) = (0, 0);
        for step in 0..6000 {
            let now = begun + Duration::from_millis(100) * step;
            said += usize::from(complaints.trouble(now));
            if step % 3 == 0 {
                taken_back += usize::from(complaints.is_over());
            }
        }
        assert_eq!((said, taken_back), (10, 10), "in ten minutes");
    }

    #[test]
    fn what_was_not_exported_is_told_once() {
        let account = Account::default();
        account.exported(5);
        assert!(!account.has_untold());
        account.lost(2);
        account.refused(3);
        assert!(account.has_untold());
        assert_eq!((account.take_untold(), account.take_untold()), (5, 0));
    }
}
