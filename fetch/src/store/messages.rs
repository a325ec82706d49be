use async_trait::async_trait;
use bytes::Bytes;
use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, InboxSeq, MediumId, MessageId,
    UserId,
};

use super::{Change, Medium, Outcome, StoreError, UnixMs};

/// Sends and history.
#[async_trait]
pub trait Messages: std::marker::Send + Sync + 'static {
    /// Commits a message and its send receipt, and fans it out.
    ///
    /// Concurrent sends share a commit; each has its own verdict. The send receipt is looked up
    /// before everything else: a repetition within 30 days answers as the first did and moves
    /// nothing (P2).
    ///
    /// # Errors
    ///
    /// [`StoreError::IdempotencyConflict`]; [`StoreError::NotFound`] for a conversation the sender is
    /// not a member of, or a medium he may not read or that is not complete.
    async fn send(&self, send: Send) -> Result<Outcome<Sent>, StoreError>;

    /// One message, if the user may see it.
    async fn message(
        &self,
        user_id: UserId,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Message, StoreError>;

    /// What the user may see of a conversation below `before`, newest first, bounded by count and by
    /// [`PAGE_BYTES_MAX`](nudge_proto::limits::PAGE_BYTES_MAX).
    async fn history(
        &self,
        user_id: UserId,
        id: ConversationId,
        before: Option<ConversationSeq>,
        limit: usize,
        now: UnixMs,
    ) -> Result<History, StoreError>;
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// Who, from which device.
    pub sender: (UserId, DeviceId),
    /// Where.
    pub conversation_id: ConversationId,
    /// What makes it idempotent.
    pub client_id: ClientMessageId,
    /// The server's new id for it; unused by a repetition.
    pub message_id: MessageId,
    /// Says what the body is.
    pub content_type: String,
    /// Opaque.
    pub body: Bytes,
    /// In the sender's order, without doubles.
    pub media: Vec<MediumId>,
    /// How long it lives, in seconds, if not for the history's time.
    pub ttl_s: Option<u64>,
    /// Its media are kept at least until then.
    pub media_expire_at: UnixMs,
    /// Now.
    pub now: UnixMs,
}

/// A message that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// False for a repetition.
    pub created: bool,
    /// The message.
    pub message_id: MessageId,
    /// Its number in the conversation.
    pub seq: ConversationSeq,
    /// Its number in the sender's own inbox.
    pub inbox_seq: InboxSeq,
    /// When it was first committed.
    pub sent_at: UnixMs,
}

/// A message as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// For good.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there.
    pub seq: ConversationSeq,
    /// Who.
    pub sender_id: UserId,
    /// The sender's own id for it.
    pub client_id: ClientMessageId,
    /// Says what the body is.
    pub content_type: String,
    /// Opaque.
    pub body: Bytes,
    /// In the sender's order.
    pub media: Vec<Medium>,
    /// When it was committed.
    pub sent_at: UnixMs,
    /// When it disappears, if it has a time to live.
    pub expires_at: Option<UnixMs>,
}

/// Part of a conversation's history, newest first.
#[derive(Clone, Debug)]
pub struct History {
    /// Messages and changes.
    pub items: Vec<HistoryItem>,
    /// Where older ones go on.
    pub next_before: Option<ConversationSeq>,
}

/// What has a number in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryItem {
    /// Somebody said something.
    Message(Message),
    /// Something changed.
    Change(Change),
}
