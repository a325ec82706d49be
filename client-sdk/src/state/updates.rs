//! What came in and the app has not confirmed.

use nudge_proto::pb::content as pb;
use prost::Message as _;
use sqlx::Row;

use super::{State, signed, unsigned};
use crate::{
    Error,
    error::Result,
    events::{Position, ResyncReason, Update, UpdateKind},
    limits, model,
};

impl State {
    /// The next updates after `position`, in order, and how far these go: what ran out of its time is
    /// left out.
    pub(crate) async fn updates_after(
        &self,
        position: Position,
        now_ms: u64,
    ) -> Result<(Vec<Update>, Option<Position>)> {
        let rows = sqlx::query(
            "SELECT position, kind, entry FROM updates WHERE position > ? ORDER BY position LIMIT ?",
        )
        .bind(signed(position.0))
        .bind(limits::UPDATES_READ_AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        let mut updates = Vec::with_capacity(rows.len());
        for row in &rows {
            updates.push(Update {
                position: Position(unsigned(row.get(0))),
                kind: update_kind(row.get(1), row.get(2))?,
            });
        }
        let through = updates.last().map(|last| last.position);
        updates.retain(|update| !has_expired(&update.kind, now_ms));
        Ok((updates, through))
    }

    /// Forgets updates up to `position`: the app has them.
    pub(crate) async fn confirm(&self, position: Position) -> Result<()> {
        sqlx::query("DELETE FROM updates WHERE position <= ?")
            .bind(signed(position.0))
            .execute(&self.quick)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn unconfirmed(&self) -> Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM updates")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed())?;
        Ok(unsigned(count))
    }
}

fn has_expired(kind: &UpdateKind, now_ms: u64) -> bool {
    let UpdateKind::Message(message) = kind else { return false };
    message.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms)
}

fn update_kind(kind: i64, entry: &[u8]) -> Result<UpdateKind> {
    if kind == 2 {
        let reason = ResyncReason::parse(entry);
        return reason
            .map(UpdateKind::Resynced)
            .ok_or_else(|| Error::protocol("an unknown reason"));
    }
    let entry = pb::InboxEntry::decode(entry).map_err(Error::protocol)?;
    match (entry.message, entry.receipt, entry.change) {
        (Some(message), _, _) => model::message(message).map(UpdateKind::Message),
        (None, Some(receipt), _) => model::receipt(&receipt).map(UpdateKind::Receipt),
        (None, None, Some(change)) => model::change(change).map(UpdateKind::Change),
        (None, None, None) => Err(Error::protocol("an empty entry")),
    }
}
