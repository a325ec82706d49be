use std::collections::HashMap;

use async_trait::async_trait;
use nudge_proto::{
    ConversationId, ConversationSeq, Cursor, Epoch, InboxSeq, UserId,
    limits::INBOX_PAGE_ENTRIES_MAX,
};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{FanOut, PostgresStore, messages::read_items, pending, receipts};
use crate::store::{
    Ack, AckVerdict, HistoryItem, InboxEntry, InboxItem, InboxPage, Inboxes, Moved, PageLimits,
    StoreError, UnixMs,
    rows::{self, MESSAGE_COLUMNS, id, int, number, optional_number},
    rules::{receipts_are_due, row_weight},
    stored::decode_receipt,
};

#[async_trait]
impl Inboxes for PostgresStore {
    async fn inbox_page(
        &self,
        user_id: UserId,
        after: Cursor,
        limits: PageLimits,
        now: UnixMs,
    ) -> Result<InboxPage, StoreError> {
        self.read(|db, _| Box::pin(page(db, user_id, after, limits, now))).await
    }

    async fn ack(&self, acks: Vec<Ack>, now: UnixMs) -> Result<Vec<AckVerdict>, StoreError> {
        let first = acks.first().map(|ack| ack.user_id);
        self.acks.run(first, (acks, now)).await
    }

    async fn settle_receipts(
        &self,
        now: UnixMs,
    ) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError> {
        let mut moved = match self.fan_out {
            FanOut::WithCommit => Vec::new(),
            FanOut::AfterCommit => {
                let before = UnixMs(now.0.saturating_sub(FAN_OUT_TIME_MS));
                pending::finish_left_over(&self.general, before).await?
            }
        };
        // Mostly nothing is due, and nobody writes for it.
        let next = self.read(|db, _| Box::pin(receipts::next_due(db))).await?;
        if !receipts_are_due(next, now) {
            return Ok((moved, next));
        }
        let claims = self.write(|db, _| Box::pin(receipts::claim(db, now))).await?;
        if !claims.is_empty() {
            let settled = self.write(|db, _| Box::pin(receipts::settle(db, &claims, now))).await?;
            moved.extend(settled);
        }
        Ok((moved, self.read(|db, _| Box::pin(receipts::next_due(db))).await?))
    }
}

async fn page(
    db: &mut PgConnection,
    user_id: UserId,
    after: Cursor,
    limits: PageLimits,
    now: UnixMs,
) -> Result<InboxPage, StoreError> {
    let mut page = empty_page(db, user_id, after).await?;
    let limit = limits.entries.clamp(1, INBOX_PAGE_ENTRIES_MAX);
    let rows = sqlx::query(ENTRIES_SQL)
        .bind(user_id.uuid())
        .bind(int(after.seq.0))
        .bind(int(now.0))
        .bind(limit as i64)
        .fetch_all(&mut *db)
        .await?;
    // Until something bounds the page, nothing lies between its last entry and the head.
    page.through = page.head;
    let (mut found, mut bytes) = (Vec::with_capacity(rows.len()), 0);
    for row in &rows {
        let entry = Found::read(row)?;
        bytes += entry.weight;
        if bytes > limits.bytes && !found.is_empty() {
            page.through = InboxSeq(entry.seq.0 - 1);
            break;
        }
        if found.len() + 1 == limit {
            page.through = entry.seq;
        }
        found.push(entry);
    }
    page.entries = read_entries(db, found).await?;
    Ok(page)
}

/// The page's frame, from the same snapshot as its entries.
async fn empty_page(
    db: &mut PgConnection,
    user_id: UserId,
    after: Cursor,
) -> Result<InboxPage, StoreError> {
    let row = sqlx::query(
        "SELECT store.epoch, i.head, i.first_kept FROM store LEFT JOIN inboxes i ON i.user_id = $1",
    )
    .bind(user_id.uuid())
    .fetch_one(db)
    .await?;
    rows::empty_page(&row, after)
}

/// Entries of user $1 above number $2 at time $3, $4 at most, without the bodies: how long a body is stands
/// before it.
pub(super) const ENTRIES_SQL: &str = "SELECT e.seq, e.receipt, e.conversation_id, m.seq AS conversation_seq, \
         octet_length(m.body)::bigint AS body_bytes, m.media_count \
     FROM inbox_entries e LEFT JOIN messages m \
         ON m.conversation_id = e.conversation_id AND m.seq = e.conversation_seq \
         AND (m.expires_at IS NULL OR m.expires_at > $3) \
     WHERE e.user_id = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $4";

/// An entry, as far as it is known without its message.
struct Found {
    seq: InboxSeq,
    conversation_id: ConversationId,
    receipt: Option<Vec<u8>>,
    /// `None` for a receipt, and once the message is expired or gone.
    conversation_seq: Option<ConversationSeq>,
    weight: usize,
}

impl Found {
    fn read(row: &PgRow) -> Result<Self, StoreError> {
        let body = optional_number(row, "body_bytes")?.unwrap_or(0) as usize;
        let media = optional_number(row, "media_count")?.unwrap_or(0) as usize;
        Ok(Self {
            seq: InboxSeq(number(row, "seq")?),
            conversation_id: id(row, "conversation_id")?,
            receipt: row.try_get("receipt")?,
            conversation_seq: optional_number(row, "conversation_seq")?.map(ConversationSeq),
            weight: row_weight(body, media),
        })
    }
}

/// What the entries show; one whose message is expired or gone shows nothing.
async fn read_entries(
    db: &mut PgConnection,
    found: Vec<Found>,
) -> Result<Vec<InboxEntry>, StoreError> {
    let mut entries = Vec::with_capacity(found.len());
    let mut numbers = HashMap::with_capacity(found.len());
    for entry in found {
        if let Some(receipt) = entry.receipt {
            let item = InboxItem::Receipt(decode_receipt(entry.conversation_id, &receipt)?);
            entries.push(InboxEntry { seq: entry.seq, item });
        } else if let Some(conversation_seq) = entry.conversation_seq {
            numbers.insert((entry.conversation_id, conversation_seq), entry.seq);
        }
    }
    if !numbers.is_empty() {
        entries.extend(read_numbered(db, &numbers).await?);
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    Ok(entries)
}

async fn read_numbered(
    db: &mut PgConnection,
    numbers: &HashMap<(ConversationId, ConversationSeq), InboxSeq>,
) -> Result<Vec<InboxEntry>, StoreError> {
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM unnest($1::uuid[], $2::bigint[]) AS k(conversation_id, seq) \
         JOIN messages m ON m.conversation_id = k.conversation_id AND m.seq = k.seq"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(numbers.keys().map(|(conversation, _)| conversation.uuid()).collect::<Vec<_>>())
        .bind(numbers.keys().map(|(_, seq)| int(seq.0)).collect::<Vec<_>>())
        .fetch_all(&mut *db)
        .await?;
    let items = read_items(db, &rows).await?;
    let entry = |item: HistoryItem| {
        let (key, item) = match item {
            HistoryItem::Message(message) => {
                let key = (message.conversation_id, message.seq);
                (key, InboxItem::Message(Box::new(message)))
            }
            HistoryItem::Change(change) => {
                ((change.conversation_id, change.seq), InboxItem::Change(change))
            }
        };
        numbers.get(&key).map(|seq| InboxEntry { seq: *seq, item })
    };
    Ok(items.into_iter().filter_map(entry).collect())
}

/// A user's inbox head.
pub(super) async fn inbox_head(db: &mut PgConnection, user: Uuid) -> Result<InboxSeq, StoreError> {
    let head: Option<i64> = sqlx::query_scalar("SELECT head FROM inboxes WHERE user_id = $1")
        .bind(user)
        .fetch_optional(db)
        .await?;
    Ok(InboxSeq(head.unwrap_or(0).cast_unsigned()))
}

/// The store's epoch.
pub(super) async fn epoch(db: &mut PgConnection) -> Result<Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM store").fetch_one(db).await?;
    Ok(Epoch(epoch.cast_unsigned()))
}

/// A fan-out that is older was left over by somebody who died, in milliseconds.
const FAN_OUT_TIME_MS: u64 = 5000;
