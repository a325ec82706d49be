//! Receipt entries: merged, superseding, at most once a second per conversation.

use nudge_proto::ConversationId;
use sqlx::SqliteConnection;

use super::{arguments::json, fan_out::fan_out};
use crate::store::{
    Moved, StoreError, UnixMs,
    news::{News, news},
    rows::{id, int, optional_number, told},
    rules::{RECEIPT_INTERVAL_MS, SETTLED_AT_ONCE},
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
    .bind(int(RECEIPT_INTERVAL_MS))
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
    .bind(SETTLED_AT_ONCE as i64)
    .bind(int(RECEIPT_INTERVAL_MS))
    .fetch_all(&mut *db)
    .await?;
    let due: Vec<ConversationId> =
        due.iter().map(|row| id(row, "conversation_id")).collect::<Result<_, _>>()?;
    let news = if due.is_empty() { Vec::new() } else { find_news(db, &due).await? };
    let moved = if news.is_empty() { Vec::new() } else { tell(db, &news, now).await? };
    Ok((moved, next_due(db).await?))
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
    Ok(news(&rows.iter().map(told).collect::<Result<Vec<_>, StoreError>>()?))
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
