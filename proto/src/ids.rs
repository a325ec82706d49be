//! Ids: 16 bytes each, a UUID in text.
//!
//! The server's own ids are UUID version 7 (RFC 9562, section 5.7), so that they sort by time.
//! Client-made ids may be any UUID.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text or byte string that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be a UUID, not {value:?}")]
pub struct InvalidId {
    /// Which kind of id was expected.
    pub what: &'static str,
    /// What was given, cut to 64 characters.
    pub value: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// A new id that sorts after those of earlier milliseconds.
            ///
            /// `unix_ms` is the time in milliseconds since 1970; the rest is random.
            #[must_use]
            pub fn at_time(unix_ms: u64) -> Self {
                let random = Uuid::new_v4();
                let mut entropy = [0; 10];
                entropy.copy_from_slice(&random.as_bytes()[..10]);
                // Bytes 6 and 8 of a version 4 UUID carry version and variant, not randomness.
                entropy[6] = random.as_bytes()[14];
                entropy[8] = random.as_bytes()[15];
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &entropy).into_uuid())
            }

            /// When an id of [`Self::at_time`] was made, in milliseconds since 1970.
            #[must_use]
            pub fn made_at_ms(&self) -> u64 {
                let [a, b, c, d, e, f, ..] = *self.as_bytes();
                u64::from_be_bytes([0, 0, a, b, c, d, e, f])
            }

            /// The id's 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id as a UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Reads an id from exactly 16 bytes.
            ///
            /// # Errors
            ///
            /// [`InvalidId`] for any other length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| InvalidId {
                    what: $what,
                    value: format!("{} bytes", bytes.len()),
                })
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId {
                    what: $what,
                    value: text.chars().take(64).collect(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A user, for good: never reused.
    UserId, "a user id"
);
id!(
    /// A device of a user, made by the client; unique within the user.
    DeviceId, "a device id"
);
id!(
    /// A conversation.
    ConversationId, "a conversation id"
);
id!(
    /// A message or a change of a conversation.
    MessageId, "a message id"
);
id!(
    /// A medium, from the creation of its upload on.
    MediumId, "a medium id"
);
id!(
    /// What makes a send idempotent: made by the client, scoped to sender and conversation.
    ClientMessageId, "a client message id"
);
id!(
    /// What makes a creation idempotent: made by the client, scoped to its creator.
    RequestId, "a request id"
);
id!(
    /// One signaling session, for logs and support.
    SessionId, "a session id"
);
