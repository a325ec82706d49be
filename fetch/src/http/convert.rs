//! Domain values as they are said over HTTP.

use nudge_proto::pb::content as pb;

use crate::store::{
    Change, ChangeKind, Conversation, ConversationKind, HistoryItem, InboxEntry, InboxItem,
    InboxPage, Medium, Member, Message, Receipt, Role, Sent, User,
};

pub(crate) fn user(user: &User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        handle: user.handle.clone(),
        display_name: user.display_name.clone(),
    }
}

pub(super) fn role(role: Role) -> pb::Role {
    match role {
        Role::Member => pb::Role::Member,
        Role::Admin => pb::Role::Admin,
    }
}

fn member(member: &Member) -> pb::Member {
    pb::Member { user: Some(user(&member.user)), role: role(member.role).into() }
}

pub(super) fn conversation(conversation: &Conversation) -> pb::Conversation {
    let kind = match conversation.kind {
        ConversationKind::Direct => pb::ConversationKind::Direct,
        ConversationKind::Group => pb::ConversationKind::Group,
    };
    pb::Conversation {
        id: conversation.id.to_string(),
        kind: kind.into(),
        title: conversation.title.clone(),
        created_at_ms: conversation.created_at.0,
        head: conversation.head.0,
        members: conversation.members.iter().map(member).collect(),
        member_count: conversation.member_count as u32,
        last_message: conversation.last_message.as_ref().map(message),
        unread_count: conversation.unread_count,
        own_read_seq: conversation.own_read.0,
        own_delivered_seq: conversation.own_delivered.0,
        muted_until_ms: conversation.muted_until.0,
        member: conversation.is_member,
    }
}

pub(super) fn medium(medium: &Medium) -> pb::Medium {
    pb::Medium {
        id: medium.id.to_string(),
        file_name: medium.file_name.clone(),
        content_type: medium.content_type.clone(),
        size: medium.size,
        sha256: hex::encode(medium.sha256),
    }
}

pub(super) fn message(message: &Message) -> pb::Message {
    pb::Message {
        id: message.id.to_string(),
        conversation_id: message.conversation_id.to_string(),
        conversation_seq: message.seq.0,
        sender_id: message.sender_id.to_string(),
        client_message_id: message.client_id.to_string(),
        content_type: message.content_type.clone(),
        body: message.body.clone(),
        media: message.media.iter().map(medium).collect(),
        sent_at_ms: message.sent_at.0,
        expires_at_ms: message.expires_at.map(|at| at.0),
    }
}

fn change(change: &Change) -> pb::Change {
    let mut said = pb::Change {
        id: change.id.to_string(),
        conversation_id: change.conversation_id.to_string(),
        conversation_seq: change.seq.0,
        actor_id: change.actor.to_string(),
        at_ms: change.at.0,
        ..pb::Change::default()
    };
    let (kind, user, new_role) = match &change.kind {
        ChangeKind::Created => (pb::ChangeKind::Created, None, None),
        ChangeKind::Joined(user, role) => (pb::ChangeKind::Joined, Some(user), Some(role)),
        ChangeKind::Left(user) => (pb::ChangeKind::Left, Some(user), None),
        ChangeKind::Removed(user) => (pb::ChangeKind::Removed, Some(user), None),
        ChangeKind::Role(user, role) => (pb::ChangeKind::Role, Some(user), Some(role)),
        ChangeKind::Title(title) => {
            said.title = Some(title.clone());
            (pb::ChangeKind::Title, None, None)
        }
    };
    said.set_kind(kind);
    said.user_id = user.map(ToString::to_string);
    said.role = new_role.map(|new_role| role(*new_role).into());
    said
}

fn receipt(receipt: &Receipt) -> pb::Receipt {
    pb::Receipt {
        conversation_id: receipt.conversation_id.to_string(),
        delivered_seq: receipt.delivered.0,
        read_seq: receipt.read.0,
        own_read_seq: receipt.own_read.0,
        newest_own_seq: receipt.newest_own.0,
        delivered_count: receipt.delivered_count,
        read_count: receipt.read_count,
    }
}

pub(super) fn history_item(item: &HistoryItem) -> pb::HistoryItem {
    match item {
        HistoryItem::Message(said) => {
            pb::HistoryItem { message: Some(message(said)), change: None }
        }
        HistoryItem::Change(made) => pb::HistoryItem { message: None, change: Some(change(made)) },
    }
}

fn inbox_entry(entry: &InboxEntry) -> pb::InboxEntry {
    let mut said = pb::InboxEntry { seq: entry.seq.0, ..pb::InboxEntry::default() };
    match &entry.item {
        InboxItem::Message(item) => said.message = Some(message(item)),
        InboxItem::Change(item) => said.change = Some(change(item)),
        InboxItem::Receipt(item) => said.receipt = Some(receipt(item)),
    }
    said
}

pub(super) fn inbox_page(page: &InboxPage) -> pb::InboxPage {
    pb::InboxPage {
        epoch: page.epoch.0,
        after: page.after.0,
        through: page.through.0,
        head: page.head.0,
        first_kept: page.first_kept.0,
        truncated: page.truncated(),
        entries: page.entries.iter().map(inbox_entry).collect(),
    }
}

pub(super) fn sent(sent: &Sent, conversation_id: nudge_proto::ConversationId) -> pb::SendResponse {
    pb::SendResponse {
        message_id: sent.message_id.to_string(),
        conversation_id: conversation_id.to_string(),
        conversation_seq: sent.seq.0,
        inbox_seq: sent.inbox_seq.0,
        sent_at_ms: sent.sent_at.0,
    }
}
