//! Retention, one bounded step at a time.
//!
//! What every active device has acknowledged is computed from the devices as they are in this very
//! transaction: a revoked one holds nothing back, and nothing has to be kept up to date when marks
//! move or devices come and go.

use nudge_proto::{MediumId, UserId, limits::SEND_RECEIPT_TIME};
use sqlx::{SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{arguments::json, media::forget_upload};
use crate::store::{
    Retention, StoreError, Swept, UnixMs,
    rows::{id, int, number, optional_number},
    rules::days_before,
};

pub(super) async fn step(
    db: &mut SqliteConnection,
    retention: Retention,
    now: UnixMs,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    sweep_expired(db, now, &mut swept).await?;
    if let Some(days) = retention.history_days {
        sweep_aged(db, days_before(now, days), &mut swept).await?;
    }
    if retention.until_acked {
        sweep_acked(db, &mut swept).await?;
    }
    sweep_send_receipts(db, now, &mut swept).await?;
    sqlx::query("DELETE FROM keys WHERE not_after <= ?").bind(int(now.0)).execute(&mut *db).await?;
    sweep_media(db, now, &mut swept).await?;
    let most = SWEPT_AT_ONCE.cast_unsigned();
    swept.more = swept.messages >= most
        || swept.inbox_entries >= most
        || swept.send_receipts >= most
        || swept.media.len() as u64 >= most;
    Ok(swept)
}

/// Messages past their time to live, once none of their entries is left, and what they granted.
async fn sweep_expired(
    db: &mut SqliteConnection,
    now: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let rows =
        sqlx::query("SELECT conversation_id, seq FROM messages WHERE expires_at <= ? LIMIT ?")
            .bind(int(now.0))
            .bind(SWEPT_AT_ONCE)
            .fetch_all(&mut *db)
            .await?;
    let key = |row: &SqliteRow| Ok((id::<Uuid>(row, "conversation_id")?, number(row, "seq")?));
    let expired = rows.iter().map(key).collect::<Result<Vec<_>, StoreError>>()?;
    if expired.is_empty() {
        return Ok(());
    }
    let entries = sqlx::query(
        "DELETE FROM inbox_entries WHERE (user_id, seq) IN \
         (SELECT e.user_id, e.seq FROM json_each(?) CROSS JOIN inbox_entries e \
              ON e.conversation_id = unhex(value->>0, '-') AND e.conversation_seq = value->>1 \
          LIMIT ?)",
    )
    .bind(json(&expired)?)
    .bind(SWEPT_AT_ONCE)
    .execute(&mut *db)
    .await?;
    swept.inbox_entries += entries.rows_affected();
    sqlx::query(
        "DELETE FROM grants WHERE (conversation_id, conversation_seq) IN \
         (SELECT unhex(value->>0, '-'), value->>1 FROM json_each(?))",
    )
    .bind(json(&expired)?)
    .execute(&mut *db)
    .await?;
    sweep_messages(db, &expired, swept).await
}

/// Removes those of the messages that no inbox names any more.
async fn sweep_messages(
    db: &mut SqliteConnection,
    messages: &[(Uuid, u64)],
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let removed = sqlx::query(
        "DELETE FROM messages WHERE (conversation_id, seq) IN \
         (SELECT unhex(value->>0, '-'), value->>1 FROM json_each(?)) \
         AND NOT EXISTS (SELECT 1 FROM inbox_entries e \
             WHERE e.conversation_id = messages.conversation_id AND e.conversation_seq = messages.seq)",
    )
    .bind(json(&messages)?)
    .execute(db)
    .await?;
    swept.messages += removed.rows_affected();
    Ok(())
}

/// Entries and messages past the history's time.
async fn sweep_aged(
    db: &mut SqliteConnection,
    cutoff: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let gone = sqlx::query(
        "DELETE FROM inbox_entries WHERE (user_id, seq) IN \
         (SELECT user_id, seq FROM inbox_entries WHERE created_at < ? ORDER BY created_at LIMIT ?) \
         RETURNING user_id, seq",
    )
    .bind(int(cutoff.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    raise_first_kept(db, &gone, swept).await?;
    let removed = sqlx::query(
        "DELETE FROM messages WHERE rowid IN (SELECT m.rowid FROM messages m WHERE m.sent_at < ? \
         AND NOT EXISTS (SELECT 1 FROM inbox_entries e \
             WHERE e.conversation_id = m.conversation_id AND e.conversation_seq = m.seq) LIMIT ?)",
    )
    .bind(int(cutoff.0))
    .bind(SWEPT_AT_ONCE)
    .execute(db)
    .await?;
    swept.messages += removed.rows_affected();
    Ok(())
}

/// Entries that every active device has, and the messages that no inbox names any more. Who has no
/// active device keeps his mail its full time.
async fn sweep_acked(db: &mut SqliteConnection, swept: &mut Swept) -> Result<(), StoreError> {
    let gone = sqlx::query(
        "DELETE FROM inbox_entries WHERE (user_id, seq) IN \
         (SELECT e.user_id, e.seq FROM \
              (SELECT user_id, min(acked_seq) AS acked FROM devices \
               WHERE revoked_at IS NULL GROUP BY user_id) d \
          CROSS JOIN inbox_entries e ON e.user_id = d.user_id AND e.seq <= d.acked LIMIT ?) \
         RETURNING user_id, seq, conversation_id, conversation_seq",
    )
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    raise_first_kept(db, &gone, swept).await?;
    let mut messages = Vec::with_capacity(gone.len());
    for row in &gone {
        if let Some(seq) = optional_number(row, "conversation_seq")? {
            messages.push((id(row, "conversation_id")?, seq));
        }
    }
    if messages.is_empty() { Ok(()) } else { sweep_messages(db, &messages, swept).await }
}

/// Everything up to the entries that are gone is gone.
async fn raise_first_kept(
    db: &mut SqliteConnection,
    gone: &[SqliteRow],
    swept: &mut Swept,
) -> Result<(), StoreError> {
    swept.inbox_entries += gone.len() as u64;
    if gone.is_empty() {
        return Ok(());
    }
    let key = |row: &SqliteRow| Ok((id::<UserId>(row, "user_id")?, number(row, "seq")?));
    let gone = gone.iter().map(key).collect::<Result<Vec<_>, StoreError>>()?;
    sqlx::query(
        "UPDATE inboxes SET first_kept = max(first_kept, kept) FROM \
         (SELECT unhex(value->>0, '-') AS loser, max(value->>1) + 1 AS kept \
          FROM json_each(?) GROUP BY loser) WHERE user_id = loser",
    )
    .bind(json(&gone)?)
    .execute(db)
    .await?;
    Ok(())
}

async fn sweep_send_receipts(
    db: &mut SqliteConnection,
    now: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let removed = sqlx::query(
        "DELETE FROM send_receipts WHERE (conversation_id, sender_id, client_id) IN \
         (SELECT conversation_id, sender_id, client_id FROM send_receipts \
          WHERE sent_at < ? LIMIT ?)",
    )
    .bind(int(now.0.saturating_sub(SEND_RECEIPT_TIME.as_millis() as u64)))
    .bind(SWEPT_AT_ONCE)
    .execute(db)
    .await?;
    swept.send_receipts = removed.rows_affected();
    Ok(())
}

async fn sweep_media(
    db: &mut SqliteConnection,
    now: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "DELETE FROM media WHERE id IN \
         (SELECT id FROM media WHERE expires_at <= ? LIMIT ?) RETURNING id",
    )
    .bind(int(now.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        let medium_id: MediumId = id(row, "id")?;
        forget_upload(db, medium_id).await?;
        swept.media.push(medium_id);
    }
    Ok(())
}

/// Rows of each kind that one step removes.
const SWEPT_AT_ONCE: i64 = 1000;
