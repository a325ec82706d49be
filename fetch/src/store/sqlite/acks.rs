//! Acks: devices' marks, and the delivered marks that follow from them.

use std::collections::HashMap;

use nudge_proto::{ConversationId, InboxSeq};
use sqlx::{Row, SqliteConnection};

use super::{arguments::json, inboxes::epoch, receipts::mark_due};
use crate::store::{
    Ack, AckVerdict, StoreError, UnixMs,
    rows::{id, number},
    rules::{DeviceKey, DeviceMark, judge_acks},
};

/// A verdict for each ack, in their order.
pub(super) type AckVerdicts = Vec<AckVerdict>;

/// Takes acks in, as one set; a verdict for each.
pub(super) async fn apply(
    db: &mut SqliteConnection,
    acks: &[Ack],
    now: UnixMs,
) -> Result<AckVerdicts, StoreError> {
    let epoch = epoch(db).await?;
    let devices = device_marks(db, acks).await?;
    let (verdicts, moved) = judge_acks(acks, epoch, devices);
    let moved: Vec<_> =
        moved.into_iter().map(|((user, device), (from, to))| (user, device, from, to)).collect();
    if !moved.is_empty() {
        move_marks(db, &json(&moved)?, now).await?;
    }
    Ok(verdicts)
}

async fn device_marks(
    db: &mut SqliteConnection,
    acks: &[Ack],
) -> Result<HashMap<DeviceKey, DeviceMark>, StoreError> {
    let keys: Vec<_> = acks.iter().map(|ack| (ack.user_id, ack.device_id)).collect();
    let rows = sqlx::query(
        "SELECT d.user_id, d.id, d.acked_seq, d.revoked_at IS NOT NULL AS revoked, i.head \
         FROM json_each(?) CROSS JOIN devices d \
             ON d.user_id = unhex(value->>0, '-') AND d.id = unhex(value->>1, '-') \
         CROSS JOIN inboxes i ON i.user_id = d.user_id",
    )
    .bind(json(&keys)?)
    .fetch_all(db)
    .await?;
    let mut marks = HashMap::with_capacity(rows.len());
    for row in &rows {
        let mark = DeviceMark {
            acked: InboxSeq(number(row, "acked_seq")?),
            head: InboxSeq(number(row, "head")?),
            revoked: row.try_get("revoked")?,
        };
        marks.insert((id(row, "user_id")?, id(row, "id")?), mark);
    }
    Ok(marks)
}

/// Moves the devices' marks, and the delivered mark of every conversation that has an entry in what
/// was just acknowledged. `moved` is rows of user, device, from and to.
async fn move_marks(db: &mut SqliteConnection, moved: &str, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET acked_seq = value->>3 FROM json_each(?) \
         WHERE user_id = unhex(value->>0, '-') AND devices.id = unhex(value->>1, '-')",
    )
    .bind(moved)
    .execute(&mut *db)
    .await?;
    let rows = sqlx::query(
        "UPDATE members SET delivered_seq = acked.seq FROM \
         (SELECT e.user_id, e.conversation_id, max(e.conversation_seq) AS seq \
          FROM json_each(?) CROSS JOIN inbox_entries e ON e.user_id = unhex(value->>0, '-') \
              AND e.seq > value->>2 AND e.seq <= value->>3 \
          WHERE e.conversation_seq IS NOT NULL GROUP BY e.user_id, e.conversation_id) AS acked \
         WHERE members.conversation_id = acked.conversation_id \
             AND members.user_id = acked.user_id AND delivered_seq < acked.seq \
         RETURNING conversation_id",
    )
    .bind(moved)
    .fetch_all(&mut *db)
    .await?;
    let mut conversations = rows
        .iter()
        .map(|row| id(row, "conversation_id"))
        .collect::<Result<Vec<ConversationId>, _>>()?;
    conversations.sort_unstable();
    conversations.dedup();
    mark_due(db, &conversations, now).await
}
