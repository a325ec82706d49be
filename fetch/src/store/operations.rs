use async_trait::async_trait;
use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, InboxSeq, MediumId, MessageId,
    UserId,
};

use super::{ConversationKind, StoreError, UnixMs};

/// What the operator asks: what became of messages, and how much there is. Nothing of it shows content.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// The messages of others that lie in these spans and are still there; one bounded number of queries
    /// whatever the number of spans, none of which may be longer than
    /// [`SPAN_NUMBERS_MAX`](crate::limits::SPAN_NUMBERS_MAX).
    async fn passed(&self, spans: &[Span]) -> Result<Vec<Passed>, StoreError>;

    /// Everything but the content of a message; `None` when there is no such message, or no longer.
    async fn message_story(&self, id: MessageId) -> Result<Option<MessageStory>, StoreError>;

    /// How much there is, each counted up to [`STATS_COUNT_MAX`](crate::limits::STATS_COUNT_MAX).
    async fn stats(&self) -> Result<StoreStats, StoreError>;
}

/// What a mark moved over: above the first number, up to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A device acknowledged.
    Inbox {
        /// Whose.
        user_id: UserId,
        /// Where its mark stood before.
        above: InboxSeq,
        /// Where it stands.
        through: InboxSeq,
    },
    /// A member read. What lies above his mark, should `through` be there, does not count.
    Conversation {
        /// Who.
        user_id: UserId,
        /// Where.
        conversation_id: ConversationId,
        /// Where his mark stood before.
        above: ConversationSeq,
        /// Where it stands.
        through: ConversationSeq,
    },
}

/// A message that a mark moved over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// In which of the spans, by its place.
    pub span: usize,
    /// Which message.
    pub message_id: MessageId,
    /// When it was committed.
    pub sent_at: UnixMs,
}

/// A message without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageStory {
    /// Which.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Of which kind that is.
    pub kind: ConversationKind,
    /// Its number there.
    pub seq: ConversationSeq,
    /// Who sent it.
    pub sender_id: UserId,
    /// The sender's own id for it; `None` for a change.
    pub client_id: Option<ClientMessageId>,
    /// When it was committed.
    pub sent_at: UnixMs,
    /// When it disappears, if it has a time to live.
    pub expires_at: Option<UnixMs>,
    /// Refused by the other member's block: only the sender ever sees it.
    pub refused: bool,
    /// What it names, in the sender's order.
    pub media: Vec<MediumStory>,
    /// Whoever may see it, the sender among them, by user id.
    pub recipients: Vec<RecipientStory>,
}

/// A medium that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediumStory {
    /// Which.
    pub id: MediumId,
    /// Its size in bytes; `None` once it is gone.
    pub size: Option<u64>,
}

/// What became of a message for one who may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientStory {
    /// Who.
    pub user_id: UserId,
    /// What he is called.
    pub handle: String,
    /// Whether his account is deleted.
    pub deleted: bool,
    /// Whether he is still a member.
    pub is_member: bool,
    /// Its number in his inbox; `None` when it is not there, or no longer.
    pub inbox_seq: Option<InboxSeq>,
    /// Whether his delivered mark is there.
    pub delivered: bool,
    /// Whether his read mark is there.
    pub read: bool,
    /// His active devices, with what each acknowledged.
    pub devices: Vec<(DeviceId, InboxSeq)>,
}

/// How much there is. A count that is [`STATS_COUNT_MAX`](crate::limits::STATS_COUNT_MAX) means: at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Live accounts.
    pub users: u64,
    /// Devices that are not revoked.
    pub devices: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages and changes that are kept.
    pub messages: u64,
    /// Numbers given in all inboxes together, over as many inboxes as are counted.
    pub inbox_numbers: u64,
    /// Complete media.
    pub media: u64,
    /// Their bytes.
    pub media_bytes: u64,
    /// Uploads that are not complete.
    pub uploads: u64,
    /// Conversations that wait for their receipts to be written.
    pub receipts_due: u64,
    /// Accounts whose deletion is not done.
    pub deletions: u64,
}
