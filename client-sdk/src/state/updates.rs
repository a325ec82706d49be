//! What came in and the app has not confirmed.

use nudge_proto::pb::content as pb;
use prost::Message as _;
use sqlx::Row;

use super::{Restart, State, signed, unsigned};
use crate::{
    Error,
    error::Result,
    events::{Position, ResyncReason, Update, UpdateKind},
    limits, model,
};

impl State {
    /// The next updates after `position`, in order.
    pub(crate) async fn updates_after(&self, position: Position) -> Result<Vec<Update>> {
        let rows = sqlx::query(
            "SELECT position, kind, entry FROM updates WHERE position > ? ORDER BY position LIMIT ?",
        )
        .bind(signed(position.0))
        .bind(limits::UPDATES_READ_AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        let update = |row: sqlx::sqlite::SqliteRow| {
            Ok(Update {
                position: Position(unsigned(row.get(0))),
                kind: update_kind(row.get(1), &row.get::<Vec<u8>, _>(2))?,
            })
        };
        rows.into_iter().map(update).collect()
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

fn update_kind(kind: i64, entry: &[u8]) -> Result<UpdateKind> {
    if kind == 2 {
        let restart = Restart::parse(entry).ok_or_else(|| Error::protocol("an unknown restart"))?;
        return Ok(UpdateKind::Resynced(match restart {
            Restart::Truncated => ResyncReason::Truncated,
            Restart::NewEpoch => ResyncReason::NewEpoch,
            Restart::StateRestored => ResyncReason::StateRestored,
        }));
    }
    let entry = pb::InboxEntry::decode(entry).map_err(Error::protocol)?;
    match (entry.message, entry.receipt, entry.change) {
        (Some(message), _, _) => model::message(message).map(UpdateKind::Message),
        (None, Some(receipt), _) => model::receipt(&receipt).map(UpdateKind::Receipt),
        (None, None, Some(change)) => model::change(change).map(UpdateKind::Change),
        (None, None, None) => Err(Error::protocol("an empty entry")),
    }
}
