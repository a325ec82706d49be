//! Acks: devices' marks, and the delivered marks that follow from them.

use nudge_proto::{ConversationId, Epoch};
use sqlx::SqliteConnection;

use super::{
    receipts::mark_due,
    rows::{epoch, id, inbox_head, int, number, optional_number},
};
use crate::store::{Ack, StoreError, UnixMs};

pub(super) async fn apply(
    db: &mut SqliteConnection,
    acks: Vec<Ack>,
    now: UnixMs,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let epoch = epoch(db).await?;
    let mut verdicts = Vec::with_capacity(acks.len());
    for ack in acks {
        match apply_one(db, ack, epoch, now).await {
            // The store itself failed: no verdict of this batch means anything.
            Err(
                error @ (StoreError::Unavailable(_) | StoreError::Full | StoreError::Damaged(_)),
            ) => {
                return Err(error);
            }
            verdict => verdicts.push(verdict),
        }
    }
    Ok(verdicts)
}

async fn apply_one(
    db: &mut SqliteConnection,
    ack: Ack,
    epoch: Epoch,
    now: UnixMs,
) -> Result<(), StoreError> {
    if ack.cursor.epoch != epoch {
        return Err(StoreError::EpochMismatch { given: ack.cursor.epoch.0, current: epoch.0 });
    }
    let head = inbox_head(db, ack.user_id.uuid()).await?;
    if ack.cursor.seq > head {
        return Err(StoreError::CursorAhead { given: ack.cursor.seq.0, head: head.0 });
    }
    let row = sqlx::query("SELECT acked_seq, revoked_at FROM devices WHERE user_id = ? AND id = ?")
        .bind(ack.user_id.uuid())
        .bind(ack.device_id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::DeviceRevoked)?;
    if optional_number(&row, "revoked_at")?.is_some() {
        return Err(StoreError::DeviceRevoked);
    }
    let before = number(&row, "acked_seq")?;
    if ack.cursor.seq.0 <= before {
        return Ok(());
    }
    sqlx::query("UPDATE devices SET acked_seq = ? WHERE user_id = ? AND id = ?")
        .bind(int(ack.cursor.seq.0))
        .bind(ack.user_id.uuid())
        .bind(ack.device_id.uuid())
        .execute(&mut *db)
        .await?;
    move_delivered(db, ack, before, now).await
}

/// Moves the delivered mark of every conversation that has an entry in what was just acknowledged.
async fn move_delivered(
    db: &mut SqliteConnection,
    ack: Ack,
    before: u64,
    now: UnixMs,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT conversation_id, max(conversation_seq) AS seq FROM inbox_entries \
         WHERE user_id = ? AND seq > ? AND seq <= ? AND conversation_seq IS NOT NULL \
         GROUP BY conversation_id ORDER BY conversation_id",
    )
    .bind(ack.user_id.uuid())
    .bind(int(before))
    .bind(int(ack.cursor.seq.0))
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        let conversation_id: ConversationId = id(&row, "conversation_id")?;
        let moved = sqlx::query(
            "UPDATE members SET delivered_seq = ?1 \
             WHERE conversation_id = ?2 AND user_id = ?3 AND delivered_seq < ?1",
        )
        .bind(int(number(&row, "seq")?))
        .bind(conversation_id.uuid())
        .bind(ack.user_id.uuid())
        .execute(&mut *db)
        .await?;
        if moved.rows_affected() > 0 {
            mark_due(db, conversation_id, now).await?;
        }
    }
    Ok(())
}
