use async_trait::async_trait;
use nudge_proto::{
    ConversationId, ConversationSeq, Cursor, InboxSeq, UserId, limits::INBOX_PAGE_ENTRIES_MAX,
    pb::content as pb,
};
use prost::Message as _;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteStore, acks, receipts,
    rows::{MESSAGE_COLUMNS, epoch, history_item, id, int, load_media, number},
};
use crate::store::{
    Ack, HistoryItem, InboxEntry, InboxItem, InboxPage, Inboxes, Moved, PageLimits, Receipt,
    StoreError, UnixMs,
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

    async fn ack(
        &self,
        acks: Vec<Ack>,
        now: UnixMs,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.writer.write(move |db| Box::pin(acks::apply(db, acks, now))).await
    }

    async fn settle_receipts(
        &self,
        now: UnixMs,
    ) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError> {
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
    let epoch = epoch(db).await?;
    if after.epoch != epoch {
        return Err(StoreError::EpochMismatch { given: after.epoch.0, current: epoch.0 });
    }
    let inbox = sqlx::query("SELECT head, first_kept FROM inboxes WHERE user_id = ?")
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::NotFound("inbox"))?;
    let head = InboxSeq(number(&inbox, "head")?);
    if after.seq > head {
        return Err(StoreError::CursorAhead { given: after.seq.0, head: head.0 });
    }
    let limit = limits.entries.clamp(1, INBOX_PAGE_ENTRIES_MAX);
    let rows = entry_rows(db, user_id, after.seq, limit).await?;
    let mut page = InboxPage {
        epoch,
        after: after.seq,
        through: if rows.len() < limit { head } else { after.seq },
        head,
        first_kept: InboxSeq(number(&inbox, "first_kept")?),
        entries: Vec::with_capacity(rows.len()),
    };
    let mut bytes = 0;
    for row in &rows {
        let seq = InboxSeq(number(row, "entry_seq")?);
        let item = item(db, row, now).await?;
        bytes += item.as_ref().map_or(0, content_bytes);
        if bytes > limits.bytes && !page.entries.is_empty() {
            page.through = InboxSeq(seq.0 - 1);
            break;
        }
        page.through = page.through.max(seq);
        page.entries.extend(item.map(|item| InboxEntry { seq, item }));
    }
    Ok(page)
}

async fn entry_rows(
    db: &mut SqliteConnection,
    user_id: UserId,
    after: InboxSeq,
    limit: usize,
) -> Result<Vec<SqliteRow>, StoreError> {
    let sql = format!(
        "SELECT e.seq AS entry_seq, e.receipt, e.conversation_id AS entry_conversation, \
         {MESSAGE_COLUMNS} FROM inbox_entries e LEFT JOIN messages m \
         ON m.conversation_id = e.conversation_id AND m.seq = e.conversation_seq \
         WHERE e.user_id = ? AND e.seq > ? ORDER BY e.seq LIMIT ?"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(after.0))
        .bind(limit as i64)
        .fetch_all(db)
        .await?;
    Ok(rows)
}

/// What an entry is; `None` when its message is expired or gone.
async fn item(
    db: &mut SqliteConnection,
    row: &SqliteRow,
    now: UnixMs,
) -> Result<Option<InboxItem>, StoreError> {
    let receipt: Option<Vec<u8>> = row.try_get("receipt")?;
    if let Some(receipt) = receipt {
        let conversation_id = id(row, "entry_conversation")?;
        return Ok(Some(InboxItem::Receipt(decode_receipt(conversation_id, &receipt)?)));
    }
    if row.try_get::<Option<i64>, _>("seq")?.is_none() {
        return Ok(None);
    }
    match history_item(row)? {
        HistoryItem::Change(change) => Ok(Some(InboxItem::Change(change))),
        HistoryItem::Message(message) if message.expires_at.is_some_and(|at| at <= now) => Ok(None),
        HistoryItem::Message(mut message) => {
            load_media(db, &mut message).await?;
            Ok(Some(InboxItem::Message(Box::new(message))))
        }
    }
}

fn content_bytes(item: &InboxItem) -> usize {
    match item {
        InboxItem::Message(message) => message.body.len() + message.content_type.len(),
        InboxItem::Change(_) | InboxItem::Receipt(_) => 0,
    }
}

/// A receipt as it is stored; its conversation stands in the row.
pub(super) fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    pb::Receipt {
        conversation_id: String::new(),
        delivered_seq: receipt.delivered.0,
        read_seq: receipt.read.0,
        own_read_seq: receipt.own_read.0,
        newest_own_seq: receipt.newest_own.0,
        delivered_count: receipt.delivered_count,
        read_count: receipt.read_count,
    }
    .encode_to_vec()
}

fn decode_receipt(conversation_id: ConversationId, bytes: &[u8]) -> Result<Receipt, StoreError> {
    let receipt = pb::Receipt::decode(bytes)
        .map_err(|error| StoreError::Damaged(format!("a receipt: {error}")))?;
    Ok(Receipt {
        conversation_id,
        delivered: ConversationSeq(receipt.delivered_seq),
        read: ConversationSeq(receipt.read_seq),
        own_read: ConversationSeq(receipt.own_read_seq),
        newest_own: ConversationSeq(receipt.newest_own_seq),
        delivered_count: receipt.delivered_count,
        read_count: receipt.read_count,
    })
}
