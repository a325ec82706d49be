//! Receipt entries: merged, superseding, at most once a second per conversation.

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    fan_out::{Content, Entry, fan_out},
    rows::{id, int, json, kind, number, optional_number},
};
use crate::store::{
    Moved, StoreError, UnixMs,
    rules::{MarkedMember, receipt_for},
    stored::encode_receipt,
};

/// Notes that the conversations' marks moved. No receipt is due later than one interval from now: a clock
/// that was ahead holds none back.
pub(super) async fn mark_due(
    db: &mut SqliteConnection,
    conversations: &[ConversationId],
    now: UnixMs,
) -> Result<(), StoreError> {
    if conversations.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO receipts_due (conversation_id, due_at) \
         SELECT unhex(value, '-'), ?2 FROM json_each(?1) WHERE true \
         ON CONFLICT DO UPDATE SET \
             due_at = min(coalesce(due_at, ?2 + ?3), ?2 + ?3, max(?2, settled_at + ?3))",
    )
    .bind(json(&conversations)?)
    .bind(int(now.0))
    .bind(RECEIPT_INTERVAL_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// When the next receipts are due.
pub(super) async fn next_due(db: &mut SqliteConnection) -> Result<Option<UnixMs>, StoreError> {
    let next = sqlx::query("SELECT min(due_at) AS next FROM receipts_due WHERE due_at IS NOT NULL")
        .fetch_one(db)
        .await?;
    Ok(optional_number(&next, "next")?.map(UnixMs))
}

/// Whether that is now. What is due later than one interval from now was noted by a clock that was ahead,
/// and is due.
pub(super) fn is_due(next: Option<UnixMs>, now: UnixMs) -> bool {
    next.is_some_and(|next| next <= now || next.0 > now.0 + RECEIPT_INTERVAL_MS.cast_unsigned())
}

/// Writes what is due; returns what moved, and when the next is due.
pub(super) async fn settle(
    db: &mut SqliteConnection,
    now: UnixMs,
) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError> {
    let due = sqlx::query(
        "UPDATE receipts_due SET due_at = NULL, settled_at = ?1 WHERE conversation_id IN \
         (SELECT conversation_id FROM receipts_due WHERE due_at <= ?1 OR due_at > ?1 + ?3 \
              ORDER BY due_at LIMIT ?2) \
         RETURNING conversation_id",
    )
    .bind(int(now.0))
    .bind(SETTLED_AT_ONCE)
    .bind(RECEIPT_INTERVAL_MS)
    .fetch_all(&mut *db)
    .await?;
    let due: Vec<ConversationId> =
        due.iter().map(|row| id(row, "conversation_id")).collect::<Result<_, _>>()?;
    let news = if due.is_empty() { Vec::new() } else { find_news(db, &due).await? };
    let moved = if news.is_empty() { Vec::new() } else { tell(db, &news, now).await? };
    Ok((moved, next_due(db).await?))
}

/// A receipt that says something new to one member.
struct News {
    conversation_id: ConversationId,
    user_id: UserId,
    receipt: Vec<u8>,
}

impl News {
    fn entry(&self, now: UnixMs) -> Entry<'_> {
        Entry {
            conversation_id: self.conversation_id,
            content: Content::Receipt(self.receipt.clone()),
            audience: std::slice::from_ref(&self.user_id),
            actor: None,
            now,
        }
    }
}

async fn find_news(
    db: &mut SqliteConnection,
    due: &[ConversationId],
) -> Result<Vec<News>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.conversation_id, m.user_id, m.delivered_seq, m.read_seq, m.sent_seq, m.receipt, \
             c.kind FROM json_each(?) CROSS JOIN conversations c ON c.id = unhex(value, '-') \
         CROSS JOIN members m ON m.conversation_id = c.id",
    )
    .bind(json(&due)?)
    .fetch_all(db)
    .await?;
    let mut marked = Vec::with_capacity(rows.len());
    for row in &rows {
        let told: Vec<u8> = row.try_get("receipt")?;
        let conversation_id: ConversationId = id(row, "conversation_id")?;
        marked.push((conversation_id, kind(row)?, marked_member(row)?, told));
    }
    let mut news = Vec::new();
    for conversation in marked.chunk_by(|one, next| one.0 == next.0) {
        let members: Vec<_> = conversation.iter().map(|(_, _, member, _)| *member).collect();
        for (conversation_id, kind, owner, told) in conversation {
            let receipt = encode_receipt(&receipt_for(owner, &members, *conversation_id, *kind));
            if receipt != *told {
                let (conversation_id, user_id) = (*conversation_id, owner.user_id);
                news.push(News { conversation_id, user_id, receipt });
            }
        }
    }
    Ok(news)
}

/// A row of `members`.
pub(super) fn marked_member(row: &SqliteRow) -> Result<MarkedMember, StoreError> {
    Ok(MarkedMember {
        user_id: id(row, "user_id")?,
        delivered: ConversationSeq(number(row, "delivered_seq")?),
        read: ConversationSeq(number(row, "read_seq")?),
        newest_own: ConversationSeq(number(row, "sent_seq")?),
    })
}

/// Puts each receipt into its inbox in place of the one before.
async fn tell(
    db: &mut SqliteConnection,
    news: &[News],
    now: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let rows = json(
        &news
            .iter()
            .map(|news| (news.conversation_id, news.user_id, hex::encode(&news.receipt)))
            .collect::<Vec<_>>(),
    )?;
    sqlx::query(
        "DELETE FROM inbox_entries WHERE receipt IS NOT NULL AND (user_id, conversation_id) IN \
         (SELECT unhex(value->>1, '-'), unhex(value->>0, '-') FROM json_each(?))",
    )
    .bind(&rows)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "UPDATE members SET receipt = unhex(value->>2) FROM json_each(?) \
         WHERE conversation_id = unhex(value->>0, '-') AND user_id = unhex(value->>1, '-')",
    )
    .bind(&rows)
    .execute(&mut *db)
    .await?;
    let entries: Vec<_> = news.iter().map(|news| news.entry(now)).collect();
    Ok(fan_out(db, &entries).await?.into_iter().flatten().collect())
}

/// A newer receipt supersedes an older one at most this often.
const RECEIPT_INTERVAL_MS: i64 = 1000;
/// Conversations of one step.
const SETTLED_AT_ONCE: i64 = 16;
