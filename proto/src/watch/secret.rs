//! What a signal node shows to a fetch node.

use std::{fmt, str::FromStr};

use crate::limits::{WATCH_SECRET_BYTES_MAX, WATCH_SECRET_BYTES_MIN};

/// The secret that signal and fetch share; travels as `authorization: Bearer SECRET`.
#[derive(Clone)]
pub struct WatchSecret(Box<str>);

/// A text that cannot be a secret; the text itself is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWatchSecret {
    /// Too short to be secret, or longer than a header may be.
    #[error(
        "a watch secret has {WATCH_SECRET_BYTES_MIN} to {WATCH_SECRET_BYTES_MAX} characters, not {0}: \
         make one with `openssl rand -base64 32`"
    )]
    Length(usize),
    /// It would not survive a header.
    #[error("a watch secret has visible ASCII characters alone, without spaces")]
    Characters,
}

impl WatchSecret {
    /// The header's value.
    #[must_use]
    pub fn to_authorization(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// Whether a header's value has this secret. Takes the same time for all of one length.
    #[must_use]
    pub fn opens(&self, authorization: &[u8]) -> bool {
        let shown = authorization.strip_prefix(SCHEME.as_bytes()).unwrap_or_default();
        // Hashes compare in constant time.
        blake3::hash(shown) == blake3::hash(self.0.as_bytes())
    }
}

const SCHEME: &str = "Bearer ";

impl FromStr for WatchSecret {
    type Err = InvalidWatchSecret;

    /// Space around it is left out, as at the end of a file.
    fn from_str(text: &str) -> Result<Self, InvalidWatchSecret> {
        let secret = text.trim_ascii();
        if !(WATCH_SECRET_BYTES_MIN..=WATCH_SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(InvalidWatchSecret::Length(secret.len()));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidWatchSecret::Characters);
        }
        Ok(Self(secret.into()))
    }
}

impl fmt::Debug for WatchSecret {
    /// Leaves the secret out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WatchSecret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn a_secret_opens_to_itself_alone() {
        let secret: WatchSecret = format!("{SECRET}\n").parse().unwrap();
        assert!(secret.opens(secret.to_authorization().as_bytes()));
        for other in ["", "Bearer ", "0123456789abcdef", "bearer 0123456789abcdef"] {
            assert!(!secret.opens(other.as_bytes()), "{other}");
        }
        let longer = format!("{}x", secret.to_authorization());
        assert!(!secret.opens(longer.as_bytes()));
    }

    #[test]
    fn a_secret_that_anybody_could_guess_is_none() {
        let parse = |text: &str| text.parse::<WatchSecret>().map(|_| ());
        assert_eq!(parse("secret"), Err(InvalidWatchSecret::Length(6)));
        assert_eq!(parse(&SECRET.repeat(33)), Err(InvalidWatchSecret::Length(528)));
        assert_eq!(parse("two words are not one"), Err(InvalidWatchSecret::Characters));
    }

    #[test]
    fn p8_a_printed_secret_is_not_told() {
        let secret: WatchSecret = SECRET.parse().unwrap();
        assert!(!format!("{secret:?}").contains("012345"));
    }
}
