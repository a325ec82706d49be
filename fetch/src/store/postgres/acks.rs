//! Acks: devices' marks, and the delivered marks that follow from them.

use std::collections::HashMap;

use futures::future::BoxFuture;
use nudge_proto::{ConversationId, InboxSeq, UserId};
use sqlx::{PgConnection, Row};

use super::{
    inboxes::epoch,
    lanes::{Verdicts, Work},
    receipts::mark_due,
    transactions::{Repeat, Transactions},
};
use crate::store::{
    Ack, AckVerdict, StoreError, UnixMs,
    rows::{id, int, number},
    rules::{DeviceKey, DeviceMark, judge_acks},
};

/// What the lanes of acks do.
#[derive(Clone, Debug)]
pub(super) struct AckWork {
    pub(super) transactions: Transactions,
}

impl Work for AckWork {
    /// Acks that came together, and when.
    type Item = (Vec<Ack>, UnixMs);
    type Answer = Vec<AckVerdict>;

    fn weight(&self, (acks, _): &Self::Item) -> usize {
        acks.len() * ACK_WEIGHT
    }

    fn commit<'a>(
        &'a self,
        items: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<Verdicts<Self::Answer>, StoreError>> {
        Box::pin(async move {
            let acks: Vec<Ack> = items.iter().flat_map(|(acks, _)| acks.iter().copied()).collect();
            let now = items.iter().map(|(_, now)| *now).max().unwrap_or_default();
            let work =
                self.transactions.write(Repeat::Safe, |db, _| Box::pin(apply(db, &acks, now)));
            let mut verdicts = work.await?.into_iter();
            let of_item = |(acks, _): &Self::Item| Ok(verdicts.by_ref().take(acks.len()).collect());
            Ok(items.iter().map(of_item).collect())
        })
    }
}

/// Takes acks in, as one set; a verdict for each.
async fn apply(
    db: &mut PgConnection,
    acks: &[Ack],
    now: UnixMs,
) -> Result<Vec<AckVerdict>, StoreError> {
    let devices = lock_devices(db, acks).await?;
    let epoch = epoch(db).await?;
    let (verdicts, moved) = judge_acks(acks, epoch, devices);
    if !moved.is_empty() {
        move_marks(db, &moved, now).await?;
    }
    Ok(verdicts)
}

/// The devices stand still until the transaction ends; heads only grow.
async fn lock_devices(
    db: &mut PgConnection,
    acks: &[Ack],
) -> Result<HashMap<DeviceKey, DeviceMark>, StoreError> {
    let rows = sqlx::query(
        "SELECT d.user_id, d.id, d.acked_seq, d.revoked_at IS NOT NULL AS revoked \
         FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS k(user_id, id)) AS k \
         JOIN devices d ON d.user_id = k.user_id AND d.id = k.id \
         ORDER BY d.user_id, d.id FOR NO KEY UPDATE OF d",
    )
    .bind(acks.iter().map(|ack| ack.user_id.uuid()).collect::<Vec<_>>())
    .bind(acks.iter().map(|ack| ack.device_id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut *db)
    .await?;
    let heads = heads(db, acks).await?;
    let mut marks = HashMap::with_capacity(rows.len());
    for row in &rows {
        let user: UserId = id(row, "user_id")?;
        let Some(head) = heads.get(&user) else { continue };
        let acked = InboxSeq(number(row, "acked_seq")?);
        let mark = DeviceMark { acked, head: *head, revoked: row.try_get("revoked")? };
        marks.insert((user, id(row, "id")?), mark);
    }
    Ok(marks)
}

/// As they are once the devices are locked.
async fn heads(
    db: &mut PgConnection,
    acks: &[Ack],
) -> Result<HashMap<UserId, InboxSeq>, StoreError> {
    let rows = sqlx::query("SELECT user_id, head FROM inboxes WHERE user_id = ANY($1)")
        .bind(acks.iter().map(|ack| ack.user_id.uuid()).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok((id(row, "user_id")?, InboxSeq(number(row, "head")?)))).collect()
}

/// Moves the devices' marks, and the delivered mark of every conversation that has an entry in what
/// was just acknowledged.
async fn move_marks(
    db: &mut PgConnection,
    moved: &HashMap<DeviceKey, (InboxSeq, InboxSeq)>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let users: Vec<_> = moved.keys().map(|(user, _)| user.uuid()).collect();
    let devices: Vec<_> = moved.keys().map(|(_, device)| device.uuid()).collect();
    let before: Vec<_> = moved.values().map(|(from, _)| int(from.0)).collect();
    let after: Vec<_> = moved.values().map(|(_, to)| int(to.0)).collect();
    sqlx::query(
        "UPDATE devices d SET acked_seq = k.acked \
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k(user_id, id, acked) \
         WHERE d.user_id = k.user_id AND d.id = k.id",
    )
    .bind(&users)
    .bind(devices)
    .bind(&after)
    .execute(&mut *db)
    .await?;
    // Sends lock members under their conversation: in the same order as here.
    let rows = sqlx::query(
        "WITH acked AS MATERIALIZED (SELECT e.user_id, e.conversation_id, max(e.conversation_seq) AS seq \
             FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS k(user_id, before, after) \
             JOIN inbox_entries e ON e.user_id = k.user_id AND e.seq > k.before AND e.seq <= k.after \
             WHERE e.conversation_seq IS NOT NULL GROUP BY e.user_id, e.conversation_id), \
         held AS MATERIALIZED (SELECT m.conversation_id, m.user_id, acked.seq FROM acked JOIN members m \
                 ON m.conversation_id = acked.conversation_id AND m.user_id = acked.user_id \
             WHERE m.delivered_seq < acked.seq \
             ORDER BY m.conversation_id, m.user_id FOR NO KEY UPDATE OF m) \
         UPDATE members m SET delivered_seq = greatest(m.delivered_seq, held.seq) FROM held \
         WHERE m.conversation_id = held.conversation_id AND m.user_id = held.user_id \
         RETURNING m.conversation_id",
    )
    .bind(users)
    .bind(before)
    .bind(after)
    .fetch_all(&mut *db)
    .await?;
    let conversations = rows
        .iter()
        .map(|row| id(row, "conversation_id"))
        .collect::<Result<Vec<ConversationId>, _>>()?;
    mark_due(db, &conversations, now).await
}

/// An ack against the bytes of a batch.
const ACK_WEIGHT: usize = 1024;
