//! Numbers: places in an inbox and in a conversation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// The number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number!(
    /// A place in one user's inbox, from 1 on, in commit order, the same for all his devices.
    InboxSeq
);
number!(
    /// A place in a conversation, from 1 on, the same for all members.
    ConversationSeq
);
number!(
    /// One history of a store; changes when numbers could have gone back.
    Epoch
);

/// A place in one user's inbox within an epoch; `epoch.seq` in text.
///
/// Cursors of different epochs do not compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The store's history that the number belongs to.
    pub epoch: Epoch,
    /// Everything up to and including this number.
    pub seq: InboxSeq,
}

impl Cursor {
    /// The beginning of an epoch.
    #[must_use]
    pub const fn start(epoch: Epoch) -> Self {
        Self { epoch, seq: InboxSeq::ZERO }
    }
}

/// A text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is two numbers, epoch.seq, not {0:?}")]
pub struct InvalidCursor(String);

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let invalid = || InvalidCursor(text.chars().take(64).collect());
        let (epoch, seq) = text.split_once('.').ok_or_else(invalid)?;
        let number = |text| parse_number(text).ok_or_else(invalid);
        Ok(Self { epoch: Epoch(number(epoch)?), seq: InboxSeq(number(seq)?) })
    }
}

/// Digits alone: no sign, and no zero in front of others, so that each cursor has one text.
fn parse_number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_shortest = text == "0" || !text.starts_with('0');
    if is_plain && is_shortest { text.parse().ok() } else { None }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.seq)
    }
}
