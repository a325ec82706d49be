//! What a user may see of conversations, one message or a page at a time.

use futures::TryStreamExt;
use nudge_proto::{ConversationId, ConversationSeq, MessageId, UserId, limits::LIST_PAGE_MAX};
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteRow};

use super::{
    members::was_member,
    messages::{VISIBLE, read_items},
    visible::{intervals, newest_of_all},
};
use crate::store::{
    History, HistoryItem, Message, StoreError, UnixMs,
    rows::{MESSAGE_COLUMNS, int, number, weight},
    rules::PageRoom,
};

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
    let mut page = Page { room: PageRoom::new(limit), rows: Vec::new(), next_before: None };
    let before = before.map_or(i64::MAX, |before| int(before.0));
    let intervals = sqlx::query(AssertSqlSafe(intervals()))
        .bind(user_id.uuid())
        .bind(id.uuid())
        .bind(before)
        .fetch_all(&mut *db)
        .await?;
    for interval in intervals {
        let mut found = sqlx::query(AssertSqlSafe(page_sql()))
            .bind(user_id.uuid())
            .bind(int(now.0))
            .bind(id.uuid())
            .bind(int(number(&interval, "from_seq")?))
            .bind(int(number(&interval, "below_seq")?))
            .bind(limit as i64 + 1)
            .fetch(&mut *db);
        while page.next_before.is_none()
            && let Some(row) = found.try_next().await?
        {
            page.take(row)?;
        }
        if page.next_before.is_some() {
            break;
        }
    }
    Ok(History { items: read_items(db, &page.rows).await?, next_before: page.next_before })
}

/// Rows, as many as one page may have.
struct Page {
    room: PageRoom,
    rows: Vec<SqliteRow>,
    /// Set once a row had no place.
    next_before: Option<ConversationSeq>,
}

impl Page {
    fn take(&mut self, row: SqliteRow) -> Result<(), StoreError> {
        if self.room.take(weight(&row)?) {
            self.rows.push(row);
        } else {
            self.next_before = Some(ConversationSeq(number(&row, "seq")? + 1));
        }
        Ok(())
    }
}

/// What user ?1 may see of conversation ?3, from number ?4 on and below ?5, newest first, ?6 at most.
pub(super) fn page_sql() -> String {
    let newest = newest_of_all("?3", "?4", "?5", "?6");
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM ({newest}) n CROSS JOIN messages m \
         ON m.conversation_id = ?3 AND m.seq = n.seq ORDER BY n.seq DESC"
    )
}
