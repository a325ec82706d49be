use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::AuthError;
use crate::limits::{ATTEMPT_KEYS_MAX, ATTEMPTS_PER_MINUTE};

/// Counts log in attempts per handle, whether or not the handle exists.
#[derive(Debug)]
pub struct Attempts(DefaultKeyedRateLimiter<String>);

impl Default for Attempts {
    fn default() -> Self {
        let per_minute = NonZeroU32::new(ATTEMPTS_PER_MINUTE).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(Quota::per_minute(per_minute)))
    }
}

impl Attempts {
    /// Counts one.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when there were too many within a minute.
    pub fn count(&self, key: &str) -> Result<(), AuthError> {
        if self.0.len() > ATTEMPT_KEYS_MAX {
            self.0.retain_recent();
        }
        self.0.check_key(&key.to_owned()).map_err(|_| AuthError::TooManyAttempts)
    }
}
