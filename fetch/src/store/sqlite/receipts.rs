//! Receipt entries: merged, superseding, at most once a second per conversation.

use nudge_proto::{ConversationId, ConversationSeq};
use sqlx::{Row, SqliteConnection};

use super::{
    fan_out::put_receipt,
    inboxes::encode_receipt,
    rows::{id, int, number, optional_number},
};
use crate::store::{
    ConversationKind, Moved, StoreError, UnixMs,
    rules::{MarkedMember, receipt_for},
};

/// Notes that a conversation's marks moved.
pub(super) async fn mark_due(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO receipts_due (conversation_id, due_at) VALUES (?1, ?2) \
         ON CONFLICT DO UPDATE SET due_at = max(?2, settled_at + ?3) WHERE due_at IS NULL",
    )
    .bind(conversation_id.uuid())
    .bind(int(now.0))
    .bind(RECEIPT_INTERVAL_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what is due; returns what moved, and when the next is due.
pub(super) async fn settle(
    db: &mut SqliteConnection,
    now: UnixMs,
) -> Result<(Vec<Moved>, Option<UnixMs>), StoreError> {
    let due = sqlx::query(
        "SELECT conversation_id FROM receipts_due WHERE due_at <= ? ORDER BY due_at LIMIT ?",
    )
    .bind(int(now.0))
    .bind(SETTLED_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    let mut moved = Vec::new();
    for row in &due {
        let conversation_id = id(row, "conversation_id")?;
        settle_conversation(db, conversation_id, now, &mut moved).await?;
        sqlx::query(
            "UPDATE receipts_due SET due_at = NULL, settled_at = ? WHERE conversation_id = ?",
        )
        .bind(int(now.0))
        .bind(conversation_id.uuid())
        .execute(&mut *db)
        .await?;
    }
    let next = sqlx::query("SELECT min(due_at) AS next FROM receipts_due WHERE due_at IS NOT NULL")
        .fetch_one(db)
        .await?;
    Ok((moved, optional_number(&next, "next")?.map(UnixMs)))
}

async fn settle_conversation(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    now: UnixMs,
    moved: &mut Vec<Moved>,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT m.user_id, m.delivered_seq, m.read_seq, m.sent_seq, c.kind, e.receipt \
         FROM members m JOIN conversations c ON c.id = m.conversation_id \
         LEFT JOIN inbox_entries e ON e.user_id = m.user_id \
             AND e.conversation_id = m.conversation_id AND e.receipt IS NOT NULL \
         WHERE m.conversation_id = ? ORDER BY m.user_id",
    )
    .bind(conversation_id.uuid())
    .fetch_all(&mut *db)
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in &rows {
        members.push(MarkedMember {
            user_id: id(row, "user_id")?,
            delivered: ConversationSeq(number(row, "delivered_seq")?),
            read: ConversationSeq(number(row, "read_seq")?),
            newest_own: ConversationSeq(number(row, "sent_seq")?),
        });
    }
    for (row, owner) in rows.iter().zip(&members) {
        let kind = match row.try_get::<String, _>("kind")?.as_str() {
            "direct" => ConversationKind::Direct,
            _ => ConversationKind::Group,
        };
        let receipt = encode_receipt(&receipt_for(owner, &members, conversation_id, kind));
        let before: Option<Vec<u8>> = row.try_get("receipt")?;
        // A receipt without any mark encodes to nothing, like no receipt at all.
        if before.unwrap_or_default() != receipt {
            moved.push(put_receipt(db, owner.user_id, conversation_id, &receipt, now).await?);
        }
    }
    Ok(())
}

/// A newer receipt supersedes an older one at most this often.
const RECEIPT_INTERVAL_MS: i64 = 1000;
/// Conversations of one step.
const SETTLED_AT_ONCE: i64 = 64;
