use async_trait::async_trait;
use futures::TryStreamExt;
use nudge_proto::{Cursor, Epoch, InboxSeq, UserId, limits::INBOX_PAGE_ENTRIES_MAX};
use sqlx::{AssertSqlSafe, Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, messages::read_items, receipts};
use crate::store::{
    Ack, AckVerdict, HistoryItem, InboxEntry, InboxItem, InboxPage, Inboxes, Moved, PageLimits,
    StoreError, UnixMs,
    rows::{self, MESSAGE_COLUMNS, id, int, number, optional_number, weight},
    rules::receipts_are_due,
    stored::decode_receipt,
};

#[async_trait]
impl Inboxes for SqliteStore {
    async fn inbox_page(
        &self,
        user_id: UserId,
        after: Cursor,
        limits: PageLimits,
        now: UnixMs,
    ) -> Result<InboxPage, StoreError> {
        page(&mut *self.read().await?, user_id, after, limits, now).await
    }

    async fn ack(&self, acks: Vec<Ack>, now: UnixMs) -> Result<Vec<AckVerdict>, StoreError> {
        self.writer.ack(acks, now).await
    }

    async fn settle_receipts(
        &self,
        now: UnixMs,
    ) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError> {
        // Mostly nothing is due, and the writer is not asked for it.
        let next = receipts::next_due(&mut *self.read().await?).await?;
        if !receipts_are_due(next, now) {
            return Ok((Vec::new(), next));
        }
        self.writer.write(move |db| Box::pin(receipts::settle(db, now))).await
    }
}

async fn page(
    db: &mut SqliteConnection,
    user_id: UserId,
    after: Cursor,
    limits: PageLimits,
    now: UnixMs,
) -> Result<InboxPage, StoreError> {
    let mut page = empty_page(db, user_id, after).await?;
    let limit = limits.entries.clamp(1, INBOX_PAGE_ENTRIES_MAX);
    let sql = format!(
        "SELECT e.seq AS entry_seq, e.receipt, e.conversation_id AS entry_conversation, \
             {MESSAGE_COLUMNS} FROM inbox_entries e LEFT JOIN messages m \
             ON m.conversation_id = e.conversation_id AND m.seq = e.conversation_seq \
             AND (m.expires_at IS NULL OR m.expires_at > ?3) \
         WHERE e.user_id = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?4"
    );
    let mut entries = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(after.seq.0))
        .bind(int(now.0))
        .bind(limit as i64)
        .fetch(&mut *db);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    // Until something bounds the page, nothing lies between its last entry and the head.
    page.through = page.head;
    while let Some(row) = entries.try_next().await? {
        let seq = InboxSeq(number(&row, "entry_seq")?);
        bytes += weight(&row)?;
        if bytes > limits.bytes && !rows.is_empty() {
            page.through = InboxSeq(seq.0 - 1);
            break;
        }
        rows.push(row);
        if rows.len() == limit {
            page.through = seq;
        }
    }
    drop(entries);
    page.entries = read_entries(db, rows).await?;
    Ok(page)
}

/// The page's frame, from the same snapshot as its entries.
async fn empty_page(
    db: &mut SqliteConnection,
    user_id: UserId,
    after: Cursor,
) -> Result<InboxPage, StoreError> {
    let row = sqlx::query(
        "SELECT store.epoch, i.head, i.first_kept FROM store LEFT JOIN inboxes i ON i.user_id = ?",
    )
    .bind(user_id.uuid())
    .fetch_one(db)
    .await?;
    rows::empty_page(&row, after)
}

/// What the rows show; an entry whose message is expired or gone shows nothing.
async fn read_entries(
    db: &mut SqliteConnection,
    rows: Vec<SqliteRow>,
) -> Result<Vec<InboxEntry>, StoreError> {
    let mut entries = Vec::with_capacity(rows.len());
    let mut numbered = Vec::with_capacity(rows.len());
    for row in rows {
        let receipt: Option<&[u8]> = row.try_get("receipt")?;
        if let Some(receipt) = receipt {
            let item =
                InboxItem::Receipt(decode_receipt(id(&row, "entry_conversation")?, receipt)?);
            entries.push(InboxEntry { seq: InboxSeq(number(&row, "entry_seq")?), item });
        } else if optional_number(&row, "seq")?.is_some() {
            numbered.push(row);
        }
    }
    let items = read_items(db, &numbered).await?;
    for (row, item) in numbered.iter().zip(items) {
        let item = match item {
            HistoryItem::Message(message) => InboxItem::Message(Box::new(message)),
            HistoryItem::Change(change) => InboxItem::Change(change),
        };
        entries.push(InboxEntry { seq: InboxSeq(number(row, "entry_seq")?), item });
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    Ok(entries)
}

/// A user's inbox head.
pub(super) async fn inbox_head(
    db: &mut SqliteConnection,
    user: Uuid,
) -> Result<InboxSeq, StoreError> {
    let head: Option<i64> = sqlx::query_scalar("SELECT head FROM inboxes WHERE user_id = ?")
        .bind(user)
        .fetch_optional(db)
        .await?;
    Ok(InboxSeq(head.unwrap_or(0).cast_unsigned()))
}

/// The store's epoch.
pub(super) async fn epoch(db: &mut SqliteConnection) -> Result<Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM store").fetch_one(db).await?;
    Ok(Epoch(epoch.cast_unsigned()))
}
