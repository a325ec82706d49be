use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What the operator shows to the private listener.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

/// A token that anybody might guess.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an admin token has at least {} visible characters without spaces, and this one has not: make one \
     with `openssl rand -hex 32`",
    AdminToken::LENGTH_MIN
)]
pub struct InvalidAdminToken;

impl AdminToken {
    /// The least number of characters.
    pub const LENGTH_MIN: usize = 16;

    /// Takes a token that is long enough to be a secret.
    ///
    /// # Errors
    ///
    /// [`InvalidAdminToken`].
    pub fn new(token: impl Into<String>) -> Result<Self, InvalidAdminToken> {
        let token = token.into();
        let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < Self::LENGTH_MIN || !is_visible {
            return Err(InvalidAdminToken);
        }
        Ok(Self(token))
    }

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// The token itself, to be shown or stored.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether what was shown is this token, in a time that tells nothing of it.
    #[must_use]
    pub fn opens(&self, shown: &str) -> bool {
        // Of one length, whatever was shown.
        let (own, shown) = (blake3::hash(self.0.as_bytes()), blake3::hash(shown.as_bytes()));
        verify_slices_are_equal(own.as_bytes(), shown.as_bytes()).is_ok()
    }
}

impl fmt::Debug for AdminToken {
    /// Leaves the token out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = AdminToken::random();
        let text = token.reveal().to_owned();
        assert!(token.opens(&text));
        for wrong in ["", &text[1..], &format!("{text}0"), AdminToken::random().reveal()] {
            assert!(!token.opens(wrong));
        }
    }

    #[test]
    fn p8_a_token_that_can_be_guessed_is_refused_and_none_is_printed() {
        for weak in ["", "secret", "with a space in it", "fifteen-letters"] {
            assert_eq!(AdminToken::new(weak), Err(InvalidAdminToken), "{weak:?}");
        }
        let token = AdminToken::new("sixteen-letters-").unwrap();
        assert!(!format!("{token:?}").contains("letters"));
    }
}
