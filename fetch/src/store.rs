//! What must last, in domain words.
//!
//! [`Store`] is the sum of one small trait per aggregate. An implementation decides everything that
//! needs a consistent view inside one transaction: a success answer means that it is on disk (P1).
//! Times are handed in; whatever moved an inbox comes back as [`Moved`], for the bus. What every
//! implementation must do is written down as checks, in `conformance` behind the feature of that name.

mod accounts;
#[cfg(feature = "conformance")]
pub mod conformance;
mod conversations;
mod database;
mod devices;
mod entries;
mod error;
mod inboxes;
mod media;
mod messages;
mod moved;
mod news;
mod operations;
pub mod postgres;
mod rows;
mod schema;
mod sends;
mod sql_error;
pub mod sqlite;
mod stored;
mod upkeep;

pub mod rules;

use std::time::Duration;

pub use accounts::{Account, AccountCreated, Accounts, NewAccount, User};
pub use conversations::{
    Change, ChangeKind, Conversation, ConversationKind, ConversationList, ConversationUpdate,
    Conversations, Member, MemberMarks, NewConversation, Role,
};
pub(crate) use database::SQLITE_FILE;
pub use database::{Database, OpenError};
pub use devices::{
    Device, DeviceOpened, DeviceState, Devices, OpenDevice, Point, Refresh, Refreshed,
};
pub use error::StoreError;
pub use inboxes::{
    Ack, AckVerdict, InboxEntry, InboxItem, InboxPage, Inboxes, PageLimits, Receipt,
};
pub use media::{Append, AppendCommit, Media, MediaQuota, Medium, MediumState, NewUpload, Upload};
pub use messages::{History, HistoryItem, Message, Messages, Send, Sent};
pub use moved::{Moved, Outcome};
pub use operations::{
    MediumStory, MessageStory, Operations, Passed, RecipientStory, Span, StoreStats,
};
pub use schema::SchemaError;
pub use upkeep::{Key, KeyPurpose, Retention, StoreIdentity, Swept, Upkeep};

/// Everything that must last.
pub trait Store:
    Accounts
    + Devices
    + Conversations
    + Messages
    + Inboxes
    + Media
    + Upkeep
    + Operations
    + std::fmt::Debug
{
}

impl<S> Store for S where
    S: Accounts
        + Devices
        + Conversations
        + Messages
        + Inboxes
        + Media
        + Upkeep
        + Operations
        + std::fmt::Debug
{
}

/// A time: milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// That much later.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_millis() as u64))
    }
}
