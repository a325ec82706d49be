//! Conversations, messages and media.

use std::collections::HashMap;

use bytes::Bytes;
use nudge_proto::{ConversationId, ConversationSeq, InboxSeq};

use super::{StoredRow, digest, id, kind, number, optional_number, required_digest, seq, time};
use crate::{
    objects::ObjectName,
    store::{
        Change, ChangeKind, Conversation, HistoryItem, Medium, Message, Sent, StoreError, UnixMs,
        Upload,
        rules::{SendKey, row_weight},
        stored::decode_change,
    },
};

/// The columns that [`items`] reads, from `messages m`.
pub(in crate::store) const MESSAGE_COLUMNS: &str = "m.conversation_id, m.seq, m.id, m.sender_id, m.change, \
     m.client_id, m.content_type, m.body, m.media_count, m.sent_at, m.expires_at";

/// A message's place.
pub(in crate::store) type MessageKey = (ConversationId, ConversationSeq);

/// What a row of `messages` counts against the bytes of a page.
pub(in crate::store) fn weight(row: &impl StoredRow) -> Result<usize, StoreError> {
    let media = optional_number(row, "media_count")?.unwrap_or(0) as usize;
    Ok(row_weight(row.bytes("body")?.map_or(0, <[u8]>::len), media))
}

/// The messages among the rows of `messages` that name media.
pub(in crate::store) fn naming_media(
    rows: &[impl StoredRow],
) -> Result<Vec<MessageKey>, StoreError> {
    let mut naming = Vec::new();
    for row in rows {
        if number(row, "media_count")? > 0 {
            naming.push((id(row, "conversation_id")?, seq(row, "seq")?));
        }
    }
    Ok(naming)
}

/// Rows of `grants` with their media, by message.
pub(in crate::store) fn media_by_message(
    rows: &[impl StoredRow],
) -> Result<HashMap<MessageKey, Vec<Medium>>, StoreError> {
    let mut media: HashMap<MessageKey, Vec<Medium>> = HashMap::new();
    for row in rows {
        let key = (id(row, "conversation_id")?, seq(row, "conversation_seq")?);
        media.entry(key).or_default().extend(medium(row)?);
    }
    Ok(media)
}

/// The messages, with their media, and changes of rows of `messages`, in their order.
pub(in crate::store) fn items(
    rows: &[impl StoredRow],
    mut media: HashMap<MessageKey, Vec<Medium>>,
) -> Result<Vec<HistoryItem>, StoreError> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(match row.bytes("change")? {
            Some(stored) => HistoryItem::Change(change(row, decode_change(stored)?)?),
            None => {
                let mut message = message(row)?;
                let key = (message.conversation_id, message.seq);
                message.media = media.remove(&key).unwrap_or_default();
                HistoryItem::Message(message)
            }
        });
    }
    Ok(items)
}

fn message(row: &impl StoredRow) -> Result<Message, StoreError> {
    Ok(Message {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: seq(row, "seq")?,
        sender_id: id(row, "sender_id")?,
        client_id: id(row, "client_id")?,
        content_type: row.read("content_type")?,
        body: row.read::<Vec<u8>>("body").map(Bytes::from)?,
        media: Vec::new(),
        sent_at: time(row, "sent_at")?,
        expires_at: optional_number(row, "expires_at")?.map(UnixMs),
    })
}

fn change(row: &impl StoredRow, kind: ChangeKind) -> Result<Change, StoreError> {
    Ok(Change {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: seq(row, "seq")?,
        actor: id(row, "sender_id")?,
        kind,
        at: time(row, "sent_at")?,
    })
}

/// A row of `send_receipts`: the digest of what was sent, and the answer.
pub(in crate::store) fn send_receipt(
    row: &impl StoredRow,
) -> Result<(SendKey, ([u8; 32], Sent)), StoreError> {
    let sent = Sent {
        created: false,
        message_id: id(row, "message_id")?,
        seq: seq(row, "seq")?,
        inbox_seq: InboxSeq(number(row, "inbox_seq")?),
        sent_at: time(row, "sent_at")?,
    };
    let key = (id(row, "conversation_id")?, id(row, "sender_id")?, id(row, "client_id")?);
    Ok((key, (required_digest(row, "digest")?, sent)))
}

/// A conversation as one user sees it, without its members.
pub(in crate::store) fn conversation(
    row: &impl StoredRow,
    last_message: Option<Message>,
) -> Result<Conversation, StoreError> {
    Ok(Conversation {
        id: id(row, "id")?,
        kind: kind(row)?,
        title: row.read("title")?,
        created_at: time(row, "created_at")?,
        head: seq(row, "head")?,
        members: Vec::new(),
        member_count: number(row, "member_count")? as usize,
        last_message,
        unread_count: number(row, "unread")? as u32,
        own_read: seq(row, "read_seq")?,
        own_delivered: seq(row, "delivered_seq")?,
        muted_until: time(row, "muted_until")?,
        is_member: row.read("is_member")?,
    })
}

/// A row of `media`, if it is complete.
pub(in crate::store) fn medium(row: &impl StoredRow) -> Result<Option<Medium>, StoreError> {
    let Some(sha256) = digest(row, "sha256")? else { return Ok(None) };
    Ok(Some(Medium {
        id: id(row, "id")?,
        object: row.read("object").map(ObjectName)?,
        file_name: row.read("file_name")?,
        content_type: row.read("content_type")?,
        size: number(row, "size")?,
        sha256,
        completed_at: time(row, "completed_at")?,
    }))
}

/// A row of `media`, with how far its upload came.
pub(in crate::store) fn upload(row: &impl StoredRow) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: id(row, "id")?,
        file_name: row.read("file_name")?,
        content_type: row.read("content_type")?,
        size: number(row, "size")?,
        offset: number(row, "offset")?,
        declared_sha256: digest(row, "declared_sha256")?,
        sha256: digest(row, "sha256")?,
        expires_at: time(row, "expires_at")?,
    })
}
