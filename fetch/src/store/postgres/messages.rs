//! Messages and changes as they are stored and read.

use std::collections::HashMap;

use bytes::Bytes;
use nudge_proto::{ConversationId, ConversationSeq};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::rows::{id, int, medium, number, optional_number, time};
use crate::store::{
    Change, ChangeKind, HistoryItem, Medium, Message, StoreError, UnixMs, rules::row_weight,
    stored::decode_change,
};

/// The columns that [`read_items`] reads, from `messages m`.
pub(super) const MESSAGE_COLUMNS: &str = "m.conversation_id, m.seq, m.id, m.sender_id, m.change, \
     m.client_id, m.content_type, m.body, m.media_count, m.sent_at, m.expires_at";

/// Keeps the rows of `messages m` that user $1 may see at time $2.
pub(super) const VISIBLE: &str = "(m.expires_at IS NULL OR m.expires_at > $2) \
     AND (NOT m.refused OR m.sender_id = $1) \
     AND EXISTS (SELECT 1 FROM memberships i WHERE i.conversation_id = m.conversation_id \
         AND i.user_id = $1 AND i.joined_seq <= m.seq AND (i.left_seq IS NULL OR m.seq < i.left_seq))";

/// The messages, with their media, and changes of the rows, in their order.
pub(super) async fn read_items(
    db: &mut PgConnection,
    rows: &[PgRow],
) -> Result<Vec<HistoryItem>, StoreError> {
    let mut media = media_of(db, rows).await?;
    let item = |row: &PgRow| {
        let stored: Option<&[u8]> = row.try_get("change")?;
        Ok(match stored {
            Some(stored) => HistoryItem::Change(change(row, decode_change(stored)?)?),
            None => {
                let mut message = message(row)?;
                let key = (message.conversation_id, message.seq);
                message.media = media.remove(&key).unwrap_or_default();
                HistoryItem::Message(message)
            }
        })
    };
    rows.iter().map(item).collect()
}

/// What a row counts against the bytes of a page.
pub(super) fn weight(row: &PgRow) -> Result<usize, StoreError> {
    let body: Option<&[u8]> = row.try_get("body")?;
    let media = optional_number(row, "media_count")?.unwrap_or(0) as usize;
    Ok(row_weight(body.map_or(0, <[u8]>::len), media))
}

fn message(row: &PgRow) -> Result<Message, StoreError> {
    let body: Vec<u8> = row.try_get("body")?;
    Ok(Message {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: ConversationSeq(number(row, "seq")?),
        sender_id: id(row, "sender_id")?,
        client_id: id(row, "client_id")?,
        content_type: row.try_get("content_type")?,
        body: Bytes::from(body),
        media: Vec::new(),
        sent_at: time(row, "sent_at")?,
        expires_at: optional_number(row, "expires_at")?.map(UnixMs),
    })
}

fn change(row: &PgRow, kind: ChangeKind) -> Result<Change, StoreError> {
    Ok(Change {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: ConversationSeq(number(row, "seq")?),
        actor: id(row, "sender_id")?,
        kind,
        at: time(row, "sent_at")?,
    })
}

type MessageKey = (ConversationId, ConversationSeq);

async fn media_of(
    db: &mut PgConnection,
    rows: &[PgRow],
) -> Result<HashMap<MessageKey, Vec<Medium>>, StoreError> {
    let (mut conversations, mut seqs): (Vec<Uuid>, Vec<i64>) = (Vec::new(), Vec::new());
    for row in rows {
        if number(row, "media_count")? > 0 {
            conversations.push(row.try_get("conversation_id")?);
            seqs.push(int(number(row, "seq")?));
        }
    }
    let mut media: HashMap<MessageKey, Vec<Medium>> = HashMap::with_capacity(seqs.len());
    if seqs.is_empty() {
        return Ok(media);
    }
    let rows = sqlx::query(MEDIA_SQL).bind(conversations).bind(seqs).fetch_all(db).await?;
    for row in &rows {
        let seq = ConversationSeq(number(row, "conversation_seq")?);
        media.entry((id(row, "conversation_id")?, seq)).or_default().extend(medium(row)?);
    }
    Ok(media)
}

/// The media of the messages of conversations $1 with numbers $2.
pub(super) const MEDIA_SQL: &str = "SELECT g.conversation_id, g.conversation_seq, media.id, media.file_name, \
         media.content_type, media.size, media.sha256, media.completed_at, media.object \
     FROM unnest($1::uuid[], $2::bigint[]) AS wanted(conversation_id, seq) \
     JOIN grants g ON g.conversation_id = wanted.conversation_id \
         AND g.conversation_seq = wanted.seq \
     JOIN media ON media.id = g.medium_id ORDER BY g.position";
