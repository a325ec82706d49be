//! Access tokens whose signature was checked already.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{AuthError, keys::AccessClaims};
use crate::limits::CHECKED_TOKENS_MAX;

/// What tokens say whose signature was found to be genuine, by their BLAKE3: a download in many ranges
/// would check the same signature for each of them. It belongs to the keys it was made with, and goes with
/// them; time and revocation are looked at each time.
#[derive(Default)]
pub(super) struct Checked(Mutex<HashMap<blake3::Hash, AccessClaims>>);

impl Checked {
    /// What a token says, as `check` found it now or before.
    pub(super) fn claims(
        &self,
        token: &str,
        check: impl FnOnce() -> Result<AccessClaims, AuthError>,
    ) -> Result<AccessClaims, AuthError> {
        let name = blake3::hash(token.as_bytes());
        if let Some(&claims) = self.lock().get(&name) {
            return Ok(claims);
        }
        let claims = check()?;
        let mut checked = self.lock();
        if checked.len() >= CHECKED_TOKENS_MAX {
            checked.clear();
        }
        checked.insert(name, claims);
        Ok(claims)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<blake3::Hash, AccessClaims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Checked").field("tokens", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use nudge_proto::{DeviceId, UserId};

    use super::*;

    fn claims() -> AccessClaims {
        AccessClaims { sub: UserId::random(), dev: DeviceId::random(), iat: 1, exp: 2 }
    }

    #[test]
    fn p8_a_token_is_known_by_all_of_itself_and_a_refused_one_is_not_kept() {
        let (checked, genuine) = (Checked::default(), claims());
        let refused = checked.claims("token", || Err(AuthError::AccessInvalid));
        assert!(refused.is_err());
        let never = || panic!("it is known");
        for _ in 0..2 {
            assert_eq!(checked.claims("token", || Ok(genuine)).unwrap().sub, genuine.sub);
        }
        assert_eq!(checked.claims("token", never).unwrap().sub, genuine.sub);
        for other in ["tokeN", "token ", "toke", ""] {
            let refused = checked.claims(other, || Err(AuthError::AccessInvalid));
            assert!(refused.is_err(), "{other:?}");
        }
    }

    #[test]
    fn p5_only_so_many_tokens_are_kept() {
        let checked = Checked::default();
        for number in 0..=CHECKED_TOKENS_MAX {
            checked.claims(&number.to_string(), || Ok(claims())).unwrap();
        }
        assert_eq!(checked.lock().len(), 1);
    }
}
