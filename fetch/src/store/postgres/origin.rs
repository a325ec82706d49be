//! Where numbers come from: a server and one history of it.
//!
//! A standby that is promoted begins a new timeline, and a server that was made anew has another identifier.
//! Either may have lost what was answered, so that numbers are given a second time: the epoch says so. Every
//! connection is asked before its first transaction, hence no transaction runs before the epoch has changed.

use sqlx::{Error, PgConnection, Row};

use super::Failover;

/// A server, and the history that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) system_id: i64,
    pub(super) timeline: i64,
}

/// Where the connection leads; `None` for a standby.
pub(super) async fn read(db: &mut PgConnection) -> Result<Option<Origin>, Error> {
    let row = sqlx::query(
        "SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN NULL \
             ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END AS wal_file \
         FROM pg_control_system()",
    )
    .fetch_one(db)
    .await?;
    // The file's name begins with the timeline. What pg_control_checkpoint() says is older.
    let wal_file: Option<String> = row.try_get("wal_file")?;
    let Some(wal_file) = wal_file else { return Ok(None) };
    let timeline = wal_file.get(..8).and_then(|text| i64::from_str_radix(text, 16).ok());
    let timeline = timeline.ok_or_else(|| Error::Protocol(format!("no WAL file: {wal_file:?}")))?;
    Ok(Some(Origin { system_id: row.try_get("system_identifier")?, timeline }))
}

/// Begins a new epoch if the connection leads elsewhere than the numbers came from: once, however many nodes see
/// it at the same time.
pub(super) async fn check(db: &mut PgConnection, failover: Failover) -> Result<(), Error> {
    let Some(found) = read(&mut *db).await? else {
        return Err(Error::Protocol("the server is a standby and takes no writes".to_owned()));
    };
    let row = sqlx::query("SELECT system_id, timeline FROM store").fetch_one(&mut *db).await?;
    let stored =
        Origin { system_id: row.try_get("system_id")?, timeline: row.try_get("timeline")? };
    if stored == found {
        return Ok(());
    }
    let is_first = adopt(db, found, failover).await?;
    if is_first {
        tracing::warn!(
            ?stored,
            ?found,
            ?failover,
            "the database is served by another server than before"
        );
    }
    Ok(())
}

/// Whoever comes first changes the row; who waited for him finds it changed.
async fn adopt(db: &mut PgConnection, found: Origin, failover: Failover) -> Result<bool, Error> {
    let changed = sqlx::query(
        "UPDATE store SET system_id = $1, timeline = $2, epoch = CASE WHEN $3 THEN \
             greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint) ELSE epoch END \
         WHERE (system_id, timeline) IS DISTINCT FROM ($1, $2)",
    )
    .bind(found.system_id)
    .bind(found.timeline)
    .bind(failover == Failover::Epoch)
    .execute(db)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Whether a failover of this kind loses nothing: with no standby named, the server's commits wait for none.
///
/// Asked anew each time: some who manage failovers take the name away while the standby is gone.
pub(super) async fn reaches_standby(
    db: &mut PgConnection,
    failover: Failover,
) -> Result<bool, Error> {
    match failover {
        Failover::Epoch => Ok(true),
        Failover::Synchronous => {
            sqlx::query_scalar("SELECT current_setting('synchronous_standby_names') <> ''")
                .fetch_one(db)
                .await
        }
    }
}
