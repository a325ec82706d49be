use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nudge_fetch::{Clock, store::UnixMs};
use nudge_signal::WallClock;

/// The machine's time, and what a test adds to it; one for all parts of a system.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    ahead_ms: Arc<AtomicU64>,
}

impl TestClock {
    /// Moves ahead.
    pub fn advance(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        WallClock::default().unix_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }

    pub(super) fn for_fetch(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || UnixMs(clock.unix_ms()))
    }

    pub(super) fn for_signal(&self) -> WallClock {
        let clock = self.clone();
        WallClock::new(move || clock.unix_ms())
    }
}
