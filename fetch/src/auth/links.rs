//! Links to one medium, for players that cannot send a header.

use nudge_proto::MediumId;

use super::{
    Auth, AuthError, Caller,
    tokens::{Scope, Token},
};
use crate::{limits::LINK_TIME, store::UnixMs};

/// Speaks for its maker, for one medium and a short time.
#[derive(Clone, Debug)]
pub struct Link {
    /// Goes into the URL: letters, digits, `-`, `_` and `.` alone.
    pub token: String,
    /// Until when new requests are answered.
    pub expires_at: UnixMs,
}

impl Auth {
    /// A link to a medium; whether its maker may read it is asked when it is used.
    ///
    /// # Errors
    ///
    /// [`AuthError::Internal`] when there is no key.
    pub fn link(&self, caller: Caller, id: MediumId) -> Result<Link, AuthError> {
        let now = self.clock.now();
        let expires_at = UnixMs(now.0 + LINK_TIME.as_millis() as u64);
        let token = Token {
            caller,
            scope: Scope::Medium(id),
            issued_at_s: now.0 / 1000,
            expires_at_s: expires_at.0 / 1000,
        };
        Ok(Link { token: self.keys.sign(&token)?, expires_at })
    }

    /// Who a link to this medium speaks for.
    ///
    /// # Errors
    ///
    /// [`AuthError::LinkExpired`], [`AuthError::LinkInvalid`], [`AuthError::DeviceRevoked`].
    pub async fn link_bearer(&self, token: &str, id: MediumId) -> Result<Caller, AuthError> {
        self.bearer(token, Scope::Medium(id)).await
    }
}
