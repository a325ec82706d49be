use async_trait::async_trait;
use nudge_proto::{
    ConversationId, ConversationSeq, Cursor, DeviceId, MessageId, RequestId, UserId,
};

use super::{Message, Outcome, StoreError, UnixMs, User};

/// Conversations and their members.
///
/// To a user who is not and never was a member, a conversation is [`StoreError::NotFound`].
#[async_trait]
pub trait Conversations: Send + Sync + 'static {
    /// Makes a conversation, or answers with the one made before: by `request_id` for a group, by
    /// its two users for a direct one. `value` is the id and whether this call made it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when a member or the creator is unknown or, for a group, a member
    /// blocks the creator;
    /// [`StoreError::IdempotencyConflict`], [`StoreError::ConversationFull`].
    async fn create_conversation(
        &self,
        new: NewConversation,
    ) -> Result<Outcome<(ConversationId, bool)>, StoreError>;

    /// One conversation with all its members, as `user_id` sees it.
    async fn conversation(
        &self,
        user_id: UserId,
        id: ConversationId,
        now: UnixMs,
    ) -> Result<Conversation, StoreError>;

    /// The conversations a user is a member of, by id, after `after`.
    async fn conversations(
        &self,
        user_id: UserId,
        after: Option<ConversationId>,
        limit: usize,
        now: UnixMs,
    ) -> Result<ConversationList, StoreError>;

    /// Changes a group's title, which is an admin's right, mutes a conversation for the actor, or both;
    /// a refusal changes neither.
    async fn update_conversation(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        update: ConversationUpdate,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError>;

    /// Adds a member to a group or changes his role; an admin's right. Idempotent.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user is unknown or blocks the actor,
    /// [`StoreError::Forbidden`], [`StoreError::ConversationFull`].
    async fn put_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        role: Role,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError>;

    /// Removes a member from a group: himself, or another by an admin. Idempotent. When the last
    /// admin goes, the member who joined first becomes one.
    async fn remove_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError>;

    /// Moves a member's read mark forward; never back, never above the head. Returns where it stood
    /// before.
    async fn mark_read(
        &self,
        user_id: UserId,
        id: ConversationId,
        seq: ConversationSeq,
        now: UnixMs,
    ) -> Result<ConversationSeq, StoreError>;

    /// Every present member's marks; in a direct conversation the other's only as far as own messages
    /// reached him.
    async fn marks(
        &self,
        user_id: UserId,
        id: ConversationId,
    ) -> Result<Vec<MemberMarks>, StoreError>;

    /// The members to tell that `user_id` is typing: present, neither blocking nor blocked, and knowing of
    /// the conversation.
    async fn typing_audience(
        &self,
        user_id: UserId,
        id: ConversationId,
    ) -> Result<Vec<UserId>, StoreError>;
}

/// A conversation to be made.
#[derive(Clone, Debug)]
pub struct NewConversation {
    /// The server's new id for it.
    pub id: ConversationId,
    /// Who makes it.
    pub creator: (UserId, DeviceId),
    /// Client-made; groups only.
    pub request_id: Option<RequestId>,
    /// Direct or group.
    pub kind: ConversationKind,
    /// The other members; exactly one for a direct conversation.
    pub members: Vec<UserId>,
    /// Groups only.
    pub title: String,
    /// Now.
    pub now: UnixMs,
}

/// What of a conversation is to be otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationUpdate {
    /// Groups only.
    pub title: Option<String>,
    /// For the actor alone; 0 unmutes.
    pub muted_until: Option<UnixMs>,
}

/// How many talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// Two users, one conversation for good.
    Direct,
    /// Up to 1,024 members who come and go.
    Group,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send, read, leave.
    Member,
    /// Also change the title and the members.
    Admin,
}

/// A present member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What he may do.
    pub role: Role,
}

/// A conversation as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// For good.
    pub id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// Empty for a direct one.
    pub title: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// The newest number.
    pub head: ConversationSeq,
    /// Complete for one conversation; in a list only for direct ones.
    pub members: Vec<Member>,
    /// Present members.
    pub member_count: usize,
    /// The newest message the user may see.
    pub last_message: Option<Message>,
    /// Messages of others above the own read mark, counted up to the limit.
    pub unread_count: u32,
    /// The own read mark.
    pub own_read: ConversationSeq,
    /// The own delivered mark.
    pub own_delivered: ConversationSeq,
    /// 0 when not muted.
    pub muted_until: UnixMs,
    /// False once the user has left.
    pub is_member: bool,
}

/// One page of a user's conversations.
#[derive(Clone, Debug)]
pub struct ConversationList {
    /// By id.
    pub conversations: Vec<Conversation>,
    /// Whether there are more after the last.
    pub more: bool,
    /// The inbox head read in the same snapshot.
    pub cursor: Cursor,
}

/// A change of a conversation: numbered like a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Like a message's.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there.
    pub seq: ConversationSeq,
    /// Who did it.
    pub actor: UserId,
    /// What.
    pub kind: ChangeKind,
    /// When.
    pub at: UnixMs,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The conversation began.
    Created,
    /// A user was added.
    Joined(UserId, Role),
    /// A user left.
    Left(UserId),
    /// A user was removed by the actor.
    Removed(UserId),
    /// A member's role changed.
    Role(UserId, Role),
    /// The title changed.
    Title(String),
}

/// How far one member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberMarks {
    /// Who.
    pub user_id: UserId,
    /// Stored on any one of his devices.
    pub delivered: ConversationSeq,
    /// Read.
    pub read: ConversationSeq,
}
