//! What the access keys sign (RFC 7519): tokens for the whole API, and for one medium.

use jsonwebtoken::{Algorithm, Header, Validation};
use nudge_proto::{DeviceId, MediumId, UserId};
use serde::{Deserialize, Serialize};

use super::{
    AuthError, Caller,
    keys::{Keys, Loaded, no_key},
};
use crate::limits::CLOCK_SKEW_MAX;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) caller: Caller,
    pub(super) scope: Scope,
    /// Seconds.
    pub(super) issued_at_s: u64,
    /// Seconds.
    pub(super) expires_at_s: u64,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything that its bearer may do.
    Everything,
    /// To read this medium, if its bearer may.
    Medium(MediumId),
}

/// As it is signed. Scopes differ by their issuer: who knows of one only takes no other for it.
#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    sub: UserId,
    dev: DeviceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    med: Option<MediumId>,
    iat: u64,
    exp: u64,
}

impl Keys {
    pub(super) fn sign(&self, token: &Token) -> Result<String, AuthError> {
        let loaded = self.read();
        let key = loaded.access.get(loaded.making.1).ok_or_else(no_key)?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &Payload::from(token), &key.signing)
            .map_err(|error| AuthError::Internal(format!("cannot sign a token: {error}")))
    }

    /// Whether this is a token whose key is none of these.
    pub(super) fn lacks_key_of(&self, token: &str) -> bool {
        let Ok(Header { kid: Some(kid), .. }) = jsonwebtoken::decode_header(token) else {
            return false;
        };
        !self.read().access.iter().any(|key| key.id == kid)
    }

    /// Who bears a token of just this scope.
    pub(super) fn check(&self, token: &str, scope: Scope, now_s: u64) -> Result<Caller, AuthError> {
        let loaded = self.read();
        let token = loaded.checked.get_or_check(token, || loaded.check_signature(token));
        let token = token.filter(|token| token.scope == scope).ok_or_else(|| scope.invalid())?;
        // One from far ahead was made by a clock that was set back since, and would outlive its time.
        if now_s >= token.expires_at_s || token.issued_at_s > now_s + CLOCK_SKEW_MAX.as_secs() {
            return Err(scope.expired());
        }
        Ok(token.caller)
    }
}

impl Loaded {
    /// What the token says, if it is genuine.
    fn check_signature(&self, token: &str) -> Option<Token> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.access.iter().find(|key| Some(&key.id) == header.kid.as_ref())?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[EVERYTHING, MEDIUM]);
        // Our own clock decides: it can be handed in.
        validation.validate_exp = false;
        jsonwebtoken::decode::<Payload>(token, &key.checking, &validation).ok()?.claims.token()
    }
}

impl Scope {
    const fn expired(self) -> AuthError {
        match self {
            Self::Everything => AuthError::AccessExpired,
            Self::Medium(_) => AuthError::LinkExpired,
        }
    }

    const fn invalid(self) -> AuthError {
        match self {
            Self::Everything => AuthError::AccessInvalid,
            Self::Medium(_) => AuthError::LinkInvalid,
        }
    }
}

impl From<&Token> for Payload {
    fn from(token: &Token) -> Self {
        let (iss, med) = match token.scope {
            Scope::Everything => (EVERYTHING, None),
            Scope::Medium(id) => (MEDIUM, Some(id)),
        };
        Self {
            iss: iss.to_owned(),
            sub: token.caller.user_id,
            dev: token.caller.device_id,
            med,
            iat: token.issued_at_s,
            exp: token.expires_at_s,
        }
    }
}

impl Payload {
    fn token(self) -> Option<Token> {
        let scope = match (self.iss.as_str(), self.med) {
            (EVERYTHING, None) => Scope::Everything,
            (MEDIUM, Some(id)) => Scope::Medium(id),
            _ => return None,
        };
        let caller = Caller { user_id: self.sub, device_id: self.dev };
        Some(Token { caller, scope, issued_at_s: self.iat, expires_at_s: self.exp })
    }
}

const EVERYTHING: &str = "nudge";
const MEDIUM: &str = "nudge/media";

#[cfg(test)]
mod tests {
    use super::*;

    fn token(scope: Scope) -> Token {
        let caller = Caller { user_id: UserId::random(), device_id: DeviceId::random() };
        Token { caller, scope, issued_at_s: 1000, expires_at_s: 1600 }
    }

    #[test]
    fn p8_a_token_from_the_future_is_refused_until_the_clock_is_there() {
        let keys = Keys::one();
        for scope in [Scope::Everything, Scope::Medium(MediumId::random())] {
            let token = token(scope);
            let signed = keys.sign(&token).unwrap();
            for (now_s, taken) in [(939, false), (940, true), (1599, true), (1600, false)] {
                let expected = if taken { Ok(token.caller) } else { Err(scope.expired()) };
                assert_eq!(keys.check(&signed, scope, now_s), expected, "at {now_s}");
            }
        }
    }

    #[test]
    fn p8_a_token_is_good_for_its_own_scope_alone() {
        let keys = Keys::one();
        let one = Scope::Medium(MediumId::random());
        let other = Scope::Medium(MediumId::random());
        let scopes = [Scope::Everything, one, other];
        for made in scopes {
            let signed = keys.sign(&token(made)).unwrap();
            for asked in scopes {
                assert_eq!(keys.check(&signed, asked, 1000).is_ok(), made == asked);
            }
        }
    }

    #[test]
    fn p8_a_payload_of_two_minds_is_none() {
        let (everything, medium) =
            (token(Scope::Everything), token(Scope::Medium(MediumId::random())));
        let everything = Payload { med: Some(MediumId::random()), ..(&everything).into() };
        assert_eq!(everything.token(), None);
        assert_eq!(Payload { med: None, ..(&medium).into() }.token(), None);
        assert_eq!(Payload { iss: "another".to_owned(), ..(&medium).into() }.token(), None);
        assert_eq!(Payload::from(&medium).token(), Some(medium));
    }

    #[test]
    fn p8_a_token_of_another_key_is_refused_and_noticed() {
        let (keys, token) = (Keys::one(), token(Scope::Everything));
        let forged = Keys::one().sign(&token).unwrap();
        assert_eq!(keys.check(&forged, token.scope, 1000), Err(AuthError::AccessInvalid));
        assert!(!keys.lacks_key_of(&forged), "it has the same name");
        assert!(Keys::default().lacks_key_of(&forged));
    }
}
