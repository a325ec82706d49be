use async_trait::async_trait;
use nudge_proto::{ConversationId, ConversationSeq, Cursor, DeviceId, Epoch, InboxSeq, UserId};

use super::{Change, Message, Moved, StoreError, UnixMs};

/// Inboxes, acks, receipts.
#[async_trait]
pub trait Inboxes: Send + Sync + 'static {
    /// The page after `after`: a pure read, from one snapshot.
    ///
    /// Every live entry in (after, through] is in it, and nothing committed later ever appears at or
    /// below `through` (P3).
    ///
    /// # Errors
    ///
    /// [`StoreError::EpochMismatch`], [`StoreError::CursorAhead`].
    async fn inbox_page(
        &self,
        user_id: UserId,
        after: Cursor,
        limits: PageLimits,
        now: UnixMs,
    ) -> Result<InboxPage, StoreError>;

    /// Moves devices' marks forward, and with them the delivered marks of what they cover; a verdict
    /// per ack, in their order, with where the mark stood before. Never moves a mark back.
    ///
    /// # Errors
    ///
    /// As a whole only when the store is unavailable; each ack may be
    /// [`StoreError::EpochMismatch`], [`StoreError::CursorAhead`] or [`StoreError::DeviceRevoked`].
    async fn ack(&self, acks: Vec<Ack>, now: UnixMs) -> Result<Vec<AckVerdict>, StoreError>;

    /// Writes the receipt entries that are due, superseding older ones; a bounded number of
    /// conversations a call. Returns what moved, and when the next one is due.
    async fn settle_receipts(
        &self,
        now: UnixMs,
    ) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError>;
}

/// A device has stored everything up to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// Up to where.
    pub cursor: Cursor,
}

/// The device's mark before the ack, which is what the ack found there; or why it was refused.
pub type AckVerdict = Result<InboxSeq, StoreError>;

/// How large a page may be.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    /// Most entries.
    pub entries: usize,
    /// Most bytes of content, unless the first entry alone has more.
    pub bytes: usize,
}

/// One page of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxPage {
    /// The store's.
    pub epoch: Epoch,
    /// Where the page starts.
    pub after: InboxSeq,
    /// Where it ends: every live entry in between is in it.
    pub through: InboxSeq,
    /// The newest number.
    pub head: InboxSeq,
    /// Numbers below were dropped by retention.
    pub first_kept: InboxSeq,
    /// In order.
    pub entries: Vec<InboxEntry>,
}

impl InboxPage {
    /// Whether retention dropped numbers between `after` and the page.
    #[must_use]
    pub const fn truncated(&self) -> bool {
        self.after.0 + 1 < self.first_kept.0
    }
}

/// One numbered entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its number.
    pub seq: InboxSeq,
    /// What it is.
    pub item: InboxItem,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboxItem {
    /// Somebody said something.
    Message(Box<Message>),
    /// A conversation changed.
    Change(Change),
    /// Marks moved.
    Receipt(Receipt),
}

/// The marks of a conversation as the inbox's owner sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where.
    pub conversation_id: ConversationId,
    /// Delivered to every other member up to here.
    pub delivered: ConversationSeq,
    /// Read by every other member up to here.
    pub read: ConversationSeq,
    /// The owner's own read mark.
    pub own_read: ConversationSeq,
    /// Groups: the owner's newest own message; 0 for none.
    pub newest_own: ConversationSeq,
    /// Groups: how many others have it.
    pub delivered_count: u32,
    /// Groups: how many others have read it.
    pub read_count: u32,
}
