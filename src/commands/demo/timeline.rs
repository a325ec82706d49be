//! What happened, when, and how many bytes it took.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::human;

/// The steps so far; each is printed as it comes, if anybody is to see it.
#[derive(Debug)]
pub(super) struct Timeline {
    began: Instant,
    is_printed: bool,
    steps: Vec<Step>,
}

/// One line of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    /// Milliseconds since the beginning.
    at_ms: u64,
    step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl Timeline {
    pub(super) fn new(is_printed: bool) -> Self {
        Self { began: Instant::now(), is_printed, steps: Vec::new() }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Adds what happened, in the order in which it did.
    pub(super) fn add(&mut self, moments: impl IntoIterator<Item = Moment>) {
        let mut moments: Vec<_> = moments.into_iter().collect();
        moments.sort_by_key(|moment| moment.at);
        for Moment { at, step, bytes } in moments {
            let at_ms = millis(at.saturating_duration_since(self.began));
            if self.is_printed {
                let size = bytes.map(human::bytes).unwrap_or_default();
                println!("{at_ms:>7} ms {size:>12}  {step}");
            }
            self.steps.push(Step { at_ms, step, bytes });
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    at: Instant,
    step: String,
    bytes: Option<u64>,
}

impl Moment {
    /// Now.
    pub(super) fn now(step: impl Into<String>) -> Self {
        Self { at: Instant::now(), step: step.into(), bytes: None }
    }

    /// With so many bytes.
    pub(super) fn of(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// A while ago.
    pub(super) fn at(self, at: Instant) -> Self {
        Self { at, ..self }
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
