use std::time::Duration;

use fastrand::Rng;

/// Waiting times between attempts, with decorrelated jitter: each is random between the shortest
/// and three times the one before, up to the longest.
///
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    previous: Duration,
    rng: Rng,
}

impl Backoff {
    /// Waits between `shortest` and `longest`; the same seed gives the same waits.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration, seed: u64) -> Self {
        Self { shortest, longest, previous: shortest, rng: Rng::with_seed(seed) }
    }

    /// Begins again at the shortest: something succeeded.
    pub fn reset(&mut self) {
        self.previous = self.shortest;
    }

    /// The wait given last; the shortest at the beginning.
    #[must_use]
    pub const fn latest(&self) -> Duration {
        self.previous
    }

    /// A random time in a window that somebody else chose; `from` when the window is empty.
    pub fn within(&mut self, from: Duration, to: Duration) -> Duration {
        from + to.saturating_sub(from).mul_f64(self.rng.f64())
    }

    /// How long to wait this time.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.within(self.shortest, self.previous.saturating_mul(3));
        self.previous = wait.min(self.longest);
        self.previous
    }
}
