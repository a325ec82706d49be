//! What a user may see of conversations: membership intervals, refusals, expiry.

use nudge_proto::{
    ConversationId, ConversationSeq, MessageId, UserId,
    limits::{LIST_PAGE_MAX, PAGE_BYTES_MAX},
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::rows::{MESSAGE_COLUMNS, history_item, int, load_media};
use crate::store::{History, HistoryItem, Message, StoreError, UnixMs};

/// Keeps the rows of `messages m` that user ?1 may see at time ?2.
pub(super) const VISIBLE: &str = "(m.expires_at IS NULL OR m.expires_at > ?2) \
     AND (m.refused = 0 OR m.sender_id = ?1) \
     AND EXISTS (SELECT 1 FROM memberships i WHERE i.conversation_id = m.conversation_id \
         AND i.user_id = ?1 AND i.joined_seq <= m.seq AND (i.left_seq IS NULL OR m.seq < i.left_seq))";

pub(super) async fn message(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: MessageId,
    now: UnixMs,
) -> Result<Message, StoreError> {
    let sql = format!("SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.id = ?3 AND {VISIBLE}");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::NotFound("message"))?;
    let HistoryItem::Message(mut message) = history_item(&row)? else {
        return Err(StoreError::NotFound("message"));
    };
    load_media(db, &mut message).await?;
    Ok(message)
}

pub(super) async fn page(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: ConversationId,
    before: Option<ConversationSeq>,
    limit: usize,
    now: UnixMs,
) -> Result<History, StoreError> {
    check_was_member(db, user_id, id).await?;
    let limit = limit.clamp(1, LIST_PAGE_MAX);
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ?3 AND m.seq < ?4 \
         AND {VISIBLE} ORDER BY m.seq DESC LIMIT ?5"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(id.uuid())
        .bind(before.map_or(i64::MAX, |before| int(before.0)))
        .bind(limit as i64 + 1)
        .fetch_all(&mut *db)
        .await?;
    let mut history = History { items: Vec::with_capacity(limit), next_before: None };
    let mut bytes = 0;
    for row in &rows {
        let mut item = history_item(row)?;
        let (seq, size) = match &mut item {
            HistoryItem::Message(message) => {
                load_media(db, message).await?;
                (message.seq, message.body.len())
            }
            HistoryItem::Change(change) => (change.seq, 0),
        };
        bytes += size;
        let is_full = history.items.len() == limit || bytes > PAGE_BYTES_MAX;
        if is_full && !history.items.is_empty() {
            history.next_before = Some(seq.next());
            break;
        }
        history.items.push(item);
    }
    Ok(history)
}

/// Refuses whoever never was a member.
pub(super) async fn check_was_member(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: ConversationId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM memberships WHERE conversation_id = ? AND user_id = ? LIMIT 1")
        .bind(id.uuid())
        .bind(user_id.uuid())
        .fetch_optional(db)
        .await?
        .map(|_| ())
        .ok_or(StoreError::NotFound("conversation"))
}
