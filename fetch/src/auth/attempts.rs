use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use super::AuthError;
use crate::{limits::ATTEMPT_KEYS_MAX, store::UnixMs};

/// Counts attempts per key: the handle of a log in, whether or not it exists, or where it comes from.
///
/// Two generations of counts, each of a minute at most: a handle is turned away until its attempts are
/// one to two minutes old. When there are too many handles, the older generation is forgotten early.
#[derive(Debug)]
pub struct Attempts {
    /// Within a minute.
    limit: u32,
    counts: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    /// When the young one began.
    begun: UnixMs,
    young: HashMap<String, u32>,
    old: HashMap<String, u32>,
}

impl Attempts {
    /// Takes so many per key and minute.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when there were too many within a minute.
    pub fn count(&self, key: &str, now: UnixMs) -> Result<(), AuthError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.age(now);
        let before = counts.of(key);
        if before >= self.limit {
            return Err(AuthError::TooManyAttempts);
        }
        *counts.young.entry(key.to_owned()).or_default() += 1;
        Ok(())
    }
}

impl Generations {
    fn of(&self, key: &str) -> u32 {
        let count = |counts: &HashMap<String, u32>| counts.get(key).copied().unwrap_or(0);
        count(&self.young) + count(&self.old)
    }

    fn age(&mut self, now: UnixMs) {
        let age_ms = now.0.saturating_sub(self.begun.0);
        if age_ms >= MINUTE_MS || self.young.len() >= ATTEMPT_KEYS_MAX / 2 {
            self.old = mem::take(&mut self.young);
            self.begun = now;
        }
        if age_ms >= 2 * MINUTE_MS {
            self.old.clear();
        }
    }
}

const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ATTEMPTS_PER_MINUTE;

    #[test]
    fn a_handle_is_turned_away_for_a_minute_or_two_and_no_other_with_it() {
        let attempts = Attempts::new(ATTEMPTS_PER_MINUTE);
        let at = |second: u64| UnixMs(1_000_000 + second * 1000);
        for _ in 0..ATTEMPTS_PER_MINUTE {
            attempts.count("ada", at(0)).unwrap();
        }
        for second in [0, 30, 59] {
            assert_eq!(attempts.count("ada", at(second)), Err(AuthError::TooManyAttempts));
            attempts.count("bob", at(second)).unwrap();
        }
        attempts.count("ada", at(121)).unwrap();
    }

    #[test]
    fn p5_any_number_of_handles_takes_a_bounded_room() {
        let attempts = Attempts::new(ATTEMPTS_PER_MINUTE);
        for n in 0..3 * ATTEMPT_KEYS_MAX {
            attempts.count(&n.to_string(), UnixMs(1)).unwrap();
        }
        let counts = attempts.counts.lock().unwrap();
        assert!(counts.young.len() + counts.old.len() <= ATTEMPT_KEYS_MAX);
    }
}
