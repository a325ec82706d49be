//! The one clock of these tests: it moves when it is told to.

use std::time::{Duration, Instant};

/// Some beginning; what follows is arithmetic.
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
