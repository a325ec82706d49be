//! What a user may see of conversations, one message or a page at a time.

use futures::TryStreamExt;
use nudge_proto::{
    ConversationId, ConversationSeq, MessageId, UserId,
    limits::{LIST_PAGE_MAX, PAGE_BYTES_MAX},
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    members::was_member,
    messages::{MESSAGE_COLUMNS, VISIBLE, read_items, weight},
    rows::{int, number},
};
use crate::store::{History, HistoryItem, Message, StoreError, UnixMs};

pub(super) async fn message(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: MessageId,
    now: UnixMs,
) -> Result<Message, StoreError> {
    let sql = format!("SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.id = ?3 AND {VISIBLE}");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(id.uuid())
        .fetch_all(&mut *db)
        .await?;
    match read_items(db, &rows).await?.pop() {
        Some(HistoryItem::Message(message)) => Ok(message),
        Some(HistoryItem::Change(_)) | None => Err(StoreError::NotFound("message")),
    }
}

pub(super) async fn page(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: ConversationId,
    before: Option<ConversationSeq>,
    limit: usize,
    now: UnixMs,
) -> Result<History, StoreError> {
    if !was_member(db, user_id, id).await? {
        return Err(StoreError::NotFound("conversation"));
    }
    let limit = limit.clamp(1, LIST_PAGE_MAX);
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ?3 AND m.seq < ?4 \
         AND {VISIBLE} ORDER BY m.seq DESC LIMIT ?5"
    );
    let mut found = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(id.uuid())
        .bind(before.map_or(i64::MAX, |before| int(before.0)))
        .bind(limit as i64 + 1)
        .fetch(&mut *db);
    let (mut rows, mut bytes, mut next_before) = (Vec::with_capacity(limit), 0, None);
    while let Some(row) = found.try_next().await? {
        bytes += weight(&row)?;
        if rows.len() == limit || (bytes > PAGE_BYTES_MAX && !rows.is_empty()) {
            next_before = Some(ConversationSeq(number(&row, "seq")? + 1));
            break;
        }
        rows.push(row);
    }
    drop(found);
    Ok(History { items: read_items(db, &rows).await?, next_before })
}
