//! What operators ask.

use nudge_proto::InboxSeq;

use super::{StoredRow, id, kind, number, optional_id, optional_number, seq, time};
use crate::store::{
    MediumStory, MessageStory, Passed, RecipientStory, StoreError, StoreStats, UnixMs,
};

/// A message's own part of its story, without media and recipients.
pub(in crate::store) fn message_story(row: &impl StoredRow) -> Result<MessageStory, StoreError> {
    Ok(MessageStory {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        kind: kind(row)?,
        seq: seq(row, "seq")?,
        sender_id: id(row, "sender_id")?,
        client_id: optional_id(row, "client_id")?,
        sent_at: time(row, "sent_at")?,
        expires_at: optional_number(row, "expires_at")?.map(UnixMs),
        refused: row.read("refused")?,
        media: Vec::new(),
        recipients: Vec::new(),
    })
}

pub(in crate::store) fn medium_story(row: &impl StoredRow) -> Result<MediumStory, StoreError> {
    Ok(MediumStory { id: id(row, "medium_id")?, size: optional_number(row, "size")? })
}

/// A recipient, without his devices.
pub(in crate::store) fn recipient_story(
    row: &impl StoredRow,
) -> Result<RecipientStory, StoreError> {
    Ok(RecipientStory {
        user_id: id(row, "user_id")?,
        handle: row.read("handle")?,
        deleted: row.read("deleted")?,
        is_member: row.read("is_member")?,
        inbox_seq: optional_number(row, "inbox_seq")?.map(InboxSeq),
        delivered: row.read("delivered")?,
        read: row.read("read")?,
        devices: Vec::new(),
    })
}

pub(in crate::store) fn passed_message(row: &impl StoredRow) -> Result<Passed, StoreError> {
    Ok(Passed {
        span: number(row, "span")? as usize,
        message_id: id(row, "id")?,
        sent_at: time(row, "sent_at")?,
    })
}

pub(in crate::store) fn stats(row: &impl StoredRow) -> Result<StoreStats, StoreError> {
    Ok(StoreStats {
        users: number(row, "users")?,
        devices: number(row, "devices")?,
        conversations: number(row, "conversations")?,
        messages: number(row, "messages")?,
        inbox_numbers: number(row, "inbox_numbers")?,
        media: number(row, "media")?,
        media_bytes: number(row, "media_bytes")?,
        uploads: number(row, "uploads")?,
        receipts_due: number(row, "receipts_due")?,
        deletions: number(row, "deletions")?,
    })
}
