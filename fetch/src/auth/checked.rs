//! Access tokens whose signature was checked already.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::limits::CHECKED_TOKENS_MAX;

/// What tokens say whose signature was found to be genuine, by their BLAKE3: a download in many ranges
/// would check the same signature for each of them. It belongs to the keys it was made with, and goes with
/// them; time and revocation are looked at each time.
pub(super) struct Checked<T>(Mutex<HashMap<blake3::Hash, T>>);

impl<T> Default for Checked<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Checked<T> {
    /// What a token says, as `check` finds it now or found it before; `None` when it is not genuine.
    pub(super) fn get_or_check(&self, token: &str, check: impl FnOnce() -> Option<T>) -> Option<T> {
        let name = blake3::hash(token.as_bytes());
        if let Some(&said) = self.lock().get(&name) {
            return Some(said);
        }
        let said = check()?;
        let mut checked = self.lock();
        if checked.len() >= CHECKED_TOKENS_MAX {
            checked.clear();
        }
        checked.insert(name, said);
        Some(said)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Copy> fmt::Debug for Checked<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Checked").field("tokens", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_token_is_known_by_all_of_itself_and_a_refused_one_is_not_kept() {
        let checked = Checked::default();
        assert_eq!(checked.get_or_check("token", || None), None);
        assert_eq!(checked.get_or_check("token", || Some(7)), Some(7));
        assert_eq!(checked.get_or_check("token", || panic!("it is known")), Some(7));
        for other in ["tokeN", "token ", "toke", ""] {
            assert_eq!(checked.get_or_check(other, || None), None, "{other:?}");
        }
    }

    #[test]
    fn p5_only_so_many_tokens_are_kept() {
        let checked = Checked::default();
        for number in 0..=CHECKED_TOKENS_MAX {
            checked.get_or_check(&number.to_string(), || Some(number)).unwrap();
        }
        assert_eq!(checked.lock().len(), 1);
    }
}
