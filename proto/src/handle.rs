//! Handles: the names users find each other by.

use std::{fmt, str::FromStr};

use crate::limits::{HANDLE_LENGTH_MAX, HANDLE_LENGTH_MIN};

/// A user's unique name: 3 to 32 of `a-z`, `0-9`, `.`, `_`, `-`, starting with a letter.
///
/// Upper case is folded to lower case when it is parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// The handle's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a handle has {HANDLE_LENGTH_MIN} to {HANDLE_LENGTH_MAX} characters of a-z, 0-9, '.', '_' and '-', \
     and starts with a letter; {0:?} does not"
)]
pub struct InvalidHandle(String);

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let handle = text.to_ascii_lowercase();
        let letters = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-_".contains(letter)
        };
        let valid = (HANDLE_LENGTH_MIN..=HANDLE_LENGTH_MAX).contains(&handle.len())
            && handle.starts_with(|first: char| first.is_ascii_lowercase())
            && handle.chars().all(letters);
        if valid { Ok(Self(handle)) } else { Err(InvalidHandle(text.chars().take(64).collect())) }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
