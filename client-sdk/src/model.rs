//! What an app sees: owned values without type parameters.

use bytes::Bytes;
use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, MediumId, MessageId, UserId,
    pb::content as pb,
};

use crate::{Error, error::Result};

/// A user, as others see him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// For good.
    pub id: UserId,
    /// How others find him.
    pub handle: String,
    /// How he is called.
    pub display_name: String,
}

/// A device of one's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Unique within the account.
    pub id: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// The one that asks.
    pub is_current: bool,
    /// Up to which number of the inbox it has everything.
    pub acked_seq: u64,
}

/// What a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// Between two.
    Direct,
    /// Between any number, with admins.
    Group,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read and write.
    Member,
    /// Add and remove members, too, and name the conversation.
    Admin,
}

/// Somebody in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// As what.
    pub role: Role,
}

/// A conversation, as this account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// For good.
    pub id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// Empty for direct ones.
    pub title: String,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// The newest number in it.
    pub head: ConversationSeq,
    /// Complete when one conversation was asked for; in a list only for direct ones.
    pub members: Vec<Member>,
    /// How many there are.
    pub member_count: u32,
    /// The newest message that this account may see.
    pub last_message: Option<Message>,
    /// Messages of others above the own read mark, counted up to 1,000.
    pub unread_count: u32,
    /// What this account has read.
    pub own_read: ConversationSeq,
    /// What this account has on some device.
    pub own_delivered: ConversationSeq,
    /// Milliseconds since 1970; 0 when it is not muted.
    pub muted_until_ms: u64,
    /// False once this account has left.
    pub is_member: bool,
}

/// A message, as it lies on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// For good.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there, the same for all members.
    pub seq: ConversationSeq,
    /// Who wrote it; this account's own when another of its devices did.
    pub sender_id: UserId,
    /// What its sender called it.
    pub client_message_id: ClientMessageId,
    /// What the body is, for example `text/plain`.
    pub content_type: String,
    /// Opaque to the server.
    pub body: Bytes,
    /// The files with it.
    pub media: Vec<Medium>,
    /// Milliseconds since 1970.
    pub sent_at_ms: u64,
    /// Milliseconds since 1970, for one with a time to live.
    pub expires_at_ms: Option<u64>,
}

impl Message {
    /// The body as text, when it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if !self.content_type.starts_with("text/") {
            return None;
        }
        std::str::from_utf8(&self.body).ok()
    }
}

/// A file on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// For good.
    pub id: MediumId,
    /// What its sender called it: see [`Self::safe_file_name`] before using it as a path.
    pub file_name: String,
    /// What its sender says it is.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Of all bytes.
    pub sha256: [u8; 32],
}

impl Medium {
    /// The file's name without anything that could lead out of a folder or hide the file.
    #[must_use]
    pub fn safe_file_name(&self) -> String {
        safe_file_name(&self.file_name).unwrap_or_else(|| self.id.to_string())
    }
}

/// How far a conversation's messages have come; each receipt stands in place of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where.
    pub conversation_id: ConversationId,
    /// Every other member has everything up to here on a device.
    pub delivered: ConversationSeq,
    /// Every other member has read everything up to here.
    pub read: ConversationSeq,
    /// This account has read everything up to here, on some device.
    pub own_read: ConversationSeq,
    /// Groups: the newest message of this account.
    pub newest_own: ConversationSeq,
    /// Groups: how many members have it.
    pub delivered_count: u32,
    /// Groups: how many members have read it.
    pub read_count: u32,
}

/// One member's marks in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberReceipt {
    /// Whose.
    pub user_id: UserId,
    /// On a device up to here.
    pub delivered: ConversationSeq,
    /// Read up to here.
    pub read: ConversationSeq,
}

/// A change of a conversation; takes a number in it like a message does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For good.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there.
    pub seq: ConversationSeq,
    /// Who made it.
    pub actor_id: UserId,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What it is.
    pub kind: ChangeKind,
}

/// What changed in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was made.
    Created,
    /// Somebody came in.
    Joined(UserId, Role),
    /// Somebody went.
    Left(UserId),
    /// Somebody was sent away.
    Removed(UserId),
    /// Somebody may do more, or less.
    Role(UserId, Role),
    /// It has a new title.
    Title(String),
    /// Something that this version does not know.
    Other,
}

/// One line of a conversation's history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryItem {
    /// A message.
    Message(Message),
    /// A change.
    Change(Change),
}

/// A piece of a conversation's history, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Newest first.
    pub items: Vec<HistoryItem>,
    /// Ask before this number for older ones; `None` at the beginning.
    pub next_before: Option<ConversationSeq>,
}

/// A file's name that is safe as the last component of a path; `None` when nothing of it is.
fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last.chars().filter(|letter| !letter.is_control()).collect();
    let safe = safe.trim().trim_start_matches('.').to_owned();
    (!safe.is_empty()).then_some(safe)
}

pub(crate) fn user(said: pb::User) -> Result<User> {
    Ok(User { id: id(&said.id)?, handle: said.handle, display_name: said.display_name })
}

pub(crate) fn device(said: pb::Device) -> Result<Device> {
    Ok(Device {
        id: id(&said.id)?,
        name: said.name,
        created_at_ms: said.created_at_ms,
        is_current: said.current,
        acked_seq: said.acked_seq,
    })
}

pub(crate) fn conversation(said: pb::Conversation) -> Result<Conversation> {
    let kind = match said.kind() {
        pb::ConversationKind::Direct => ConversationKind::Direct,
        // Whatever a newer server has besides is between more than two.
        pb::ConversationKind::Group | pb::ConversationKind::Unspecified => ConversationKind::Group,
    };
    Ok(Conversation {
        id: id(&said.id)?,
        kind,
        title: said.title,
        created_at_ms: said.created_at_ms,
        head: ConversationSeq(said.head),
        members: said.members.into_iter().map(member).collect::<Result<_>>()?,
        member_count: said.member_count,
        last_message: said.last_message.map(message).transpose()?,
        unread_count: said.unread_count,
        own_read: ConversationSeq(said.own_read_seq),
        own_delivered: ConversationSeq(said.own_delivered_seq),
        muted_until_ms: said.muted_until_ms,
        is_member: said.member,
    })
}

fn member(said: pb::Member) -> Result<Member> {
    let role = role(said.role());
    let said = said.user.ok_or_else(|| Error::protocol("a member without a user"))?;
    Ok(Member { user: user(said)?, role })
}

fn role(said: pb::Role) -> Role {
    match said {
        pb::Role::Admin => Role::Admin,
        pb::Role::Member | pb::Role::Unspecified => Role::Member,
    }
}

pub(crate) fn role_for_wire(role: Role) -> pb::Role {
    match role {
        Role::Member => pb::Role::Member,
        Role::Admin => pb::Role::Admin,
    }
}

pub(crate) fn message(said: pb::Message) -> Result<Message> {
    Ok(Message {
        id: id(&said.id)?,
        conversation_id: id(&said.conversation_id)?,
        seq: ConversationSeq(said.conversation_seq),
        sender_id: id(&said.sender_id)?,
        client_message_id: id(&said.client_message_id)?,
        content_type: said.content_type,
        body: said.body,
        media: said.media.into_iter().map(medium).collect::<Result<_>>()?,
        sent_at_ms: said.sent_at_ms,
        expires_at_ms: said.expires_at_ms,
    })
}

fn medium(said: pb::Medium) -> Result<Medium> {
    Ok(Medium {
        id: id(&said.id)?,
        file_name: said.file_name,
        content_type: said.content_type,
        size: said.size,
        sha256: digest(&said.sha256)?,
    })
}

pub(crate) fn digest(hexadecimal: &str) -> Result<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(hexadecimal, &mut digest)
        .map_err(|error| Error::Protocol(format!("{hexadecimal:?} is no SHA-256: {error}")))?;
    Ok(digest)
}

pub(crate) fn receipt(said: &pb::Receipt) -> Result<Receipt> {
    Ok(Receipt {
        conversation_id: id(&said.conversation_id)?,
        delivered: ConversationSeq(said.delivered_seq),
        read: ConversationSeq(said.read_seq),
        own_read: ConversationSeq(said.own_read_seq),
        newest_own: ConversationSeq(said.newest_own_seq),
        delivered_count: said.delivered_count,
        read_count: said.read_count,
    })
}

pub(crate) fn member_receipt(said: &pb::MemberReceipt) -> Result<MemberReceipt> {
    Ok(MemberReceipt {
        user_id: id(&said.user_id)?,
        delivered: ConversationSeq(said.delivered_seq),
        read: ConversationSeq(said.read_seq),
    })
}

pub(crate) fn change(said: pb::Change) -> Result<Change> {
    let who = || id(said.user_id.as_deref().unwrap_or_default());
    let kind = match said.kind() {
        pb::ChangeKind::Created => ChangeKind::Created,
        pb::ChangeKind::Joined => ChangeKind::Joined(who()?, role(said.role())),
        pb::ChangeKind::Left => ChangeKind::Left(who()?),
        pb::ChangeKind::Removed => ChangeKind::Removed(who()?),
        pb::ChangeKind::Role => ChangeKind::Role(who()?, role(said.role())),
        pb::ChangeKind::Title => ChangeKind::Title(said.title.clone().unwrap_or_default()),
        pb::ChangeKind::Unspecified => ChangeKind::Other,
    };
    Ok(Change {
        id: id(&said.id)?,
        conversation_id: id(&said.conversation_id)?,
        seq: ConversationSeq(said.conversation_seq),
        actor_id: id(&said.actor_id)?,
        at_ms: said.at_ms,
        kind,
    })
}

/// Lines of a kind that this version does not know are left out.
pub(crate) fn history(said: pb::HistoryPage) -> Result<History> {
    let item = |item: pb::HistoryItem| match (item.message, item.change) {
        (Some(said), _) => Some(message(said).map(HistoryItem::Message)),
        (None, Some(said)) => Some(change(said).map(HistoryItem::Change)),
        (None, None) => None,
    };
    Ok(History {
        items: said.items.into_iter().filter_map(item).collect::<Result<_>>()?,
        next_before: said.next_before.map(ConversationSeq),
    })
}

fn id<I: std::str::FromStr<Err: ToString>>(text: &str) -> Result<I> {
    text.parse().map_err(Error::protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_lead_out_of_a_folder() {
        for (name, safe) in [
            ("photo.jpg", Some("photo.jpg")),
            ("my holiday ünïcode 写真.png", Some("my holiday ünïcode 写真.png")),
            ("../../etc/passwd", Some("passwd")),
            (r"C:\Windows\system.ini", Some("system.ini")),
            (".bashrc", Some("bashrc")),
            ("a/..", None),
            ("line\nbreak\0.txt", Some("linebreak.txt")),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(safe_file_name(name).as_deref(), safe, "{name:?}");
        }
    }
}
