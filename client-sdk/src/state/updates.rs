//! What came in and the app has not confirmed.

use nudge_proto::pb::content as pb;
use prost::Message as _;
use sqlx::{Row, sqlite::SqliteRow};

use super::{State, signed, unsigned};
use crate::{
    Error,
    error::Result,
    events::{Position, ResyncReason, Update, UpdateKind},
    limits, model,
};

impl State {
    /// The next updates after `position`, in order; what ran out of its time is forgotten instead.
    pub(crate) async fn updates_after(
        &self,
        position: Position,
        now_ms: u64,
    ) -> Result<Vec<Update>> {
        self.forget_expired(now_ms).await?;
        let rows = sqlx::query(
            "SELECT position, kind, entry FROM updates WHERE position > ? ORDER BY position LIMIT ?",
        )
        .bind(signed(position.0))
        .bind(limits::UPDATES_READ_AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        let update = |row: SqliteRow| {
            Ok(Update {
                position: Position(unsigned(row.get(0))),
                kind: update_kind(row.get(1), row.get(2))?,
            })
        };
        rows.into_iter().map(update).collect()
    }

    async fn forget_expired(&self, now_ms: u64) -> Result<()> {
        sqlx::query("DELETE FROM updates WHERE expires_at_ms <= ?")
            .bind(signed(now_ms))
            .execute(&self.quick)
            .await
            .map_err(self.failed())?;
        Ok(())
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

    /// How many updates the app has still to confirm.
    pub(crate) async fn unconfirmed(&self, now_ms: u64) -> Result<u64> {
        self.forget_expired(now_ms).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM updates")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed())?;
        Ok(unsigned(count))
    }
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
