//! Opening: what must be so before the first transaction.

use std::{io, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Error, PgConnection,
    postgres::{PgConnectOptions, PgDatabaseError},
};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::{
    Failover, NO_STANDBY, PostgresOptions,
    origin::{self, Origin},
};
use crate::store::{
    StoreError,
    schema::{self, SchemaError},
};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL of Postgres.
    #[error(
        "a database's URL begins with postgres://, not with {0:?}: \
         write postgres://user:password@host:port/database"
    )]
    Scheme(String),
    /// A URL that cannot be read.
    #[error("cannot read the database's URL: {0}")]
    Url(Error),
    /// Nobody answers there.
    #[error("no Postgres answers at {server}: {why}; start it, or correct the URL")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What was found there.
        why: String,
    },
    /// The server lets nobody in under this name.
    #[error("Postgres at {server} refuses user {user}: {why}; correct user or password in the URL")]
    Refused {
        /// Host and port.
        server: String,
        /// Who.
        user: String,
        /// The server's words.
        why: String,
    },
    /// The server has no such database.
    #[error("Postgres at {server} has no database {name}: make it with CREATE DATABASE")]
    NoDatabase {
        /// Host and port.
        server: String,
        /// Which.
        name: String,
    },
    /// A server from before the oldest that is supported.
    #[error("Postgres {found} is too old: version {OLDEST_VERSION} or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// A commit could be lost although it was answered.
    #[error(
        "Postgres runs with {setting}={found}, so that a commit might be lost: it must be {needed}; \
         only a test should start with --allow-unsafe-durability"
    )]
    NotDurable {
        /// The server's name of the setting.
        setting: &'static str,
        /// What it is, as read back.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// A standby takes no writes.
    #[error("Postgres at {server} is a standby and takes no writes: name the primary in the URL")]
    Standby {
        /// Host and port.
        server: String,
    },
    /// The schema cannot be brought up to date, or is another version's.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The server fails otherwise.
    #[error("cannot use the database at {server}: {source}")]
    Database {
        /// Host and port.
        server: String,
        /// Why.
        source: Error,
    },
    /// The first row could not be made.
    #[error("cannot prepare the store: {0}")]
    Prepare(#[from] StoreError),
}

/// Makes the database ready: checked, and with its schema up to date. Any number of nodes may do so at once.
pub(super) async fn prepare(
    connect: &PgConnectOptions,
    options: &PostgresOptions,
) -> Result<(), OpenError> {
    let server = server(connect);
    let failed = |source| OpenError::Database { server: server.clone(), source };
    let mut connection = first_connection(connect).await?;
    check_version(&connection)?;
    if !options.allow_unsafe_durability {
        check_durability(&mut connection, options.failover, &server).await?;
    }
    if !origin::reaches_standby(&mut connection, options.failover).await.map_err(failed)? {
        tracing::warn!("{NO_STANDBY}");
    }
    let found = origin::read(&mut connection)
        .await
        .map_err(failed)?
        .ok_or_else(|| OpenError::Standby { server: server.clone() })?;
    // A node that waits for another one's migrations may wait long.
    sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    let migrator = schema::shared(sqlx::migrate!("../migrations/postgres"));
    // Not `run`: with it the compiler does not see that a task may open a store.
    migrator.run_direct(None, &mut connection, false).await.map_err(SchemaError::from)?;
    let needed = make_first_row(&mut connection, found).await?;
    schema::check(&migrator, needed)?;
    // What is closed is closed: the connection is of no more use.
    let _ = connection.close().await;
    Ok(())
}

/// Connects, with patience for a server that is just starting.
async fn first_connection(connect: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    loop {
        let error = match timeout_at(deadline, connect.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            )),
        };
        if !is_starting(&error) || Instant::now() + RETRY_PAUSE > deadline {
            return Err(explain(error, connect));
        }
        sleep(RETRY_PAUSE).await;
    }
}

fn is_starting(error: &Error) -> bool {
    if let Error::Io(error) = error {
        return error.kind() == io::ErrorKind::ConnectionRefused;
    }
    sqlstate(error).is_some_and(|code| code == CANNOT_CONNECT_NOW)
}

fn explain(error: Error, connect: &PgConnectOptions) -> OpenError {
    let server = server(connect);
    match sqlstate(&error) {
        Some("28000" | "28P01") => OpenError::Refused {
            server,
            user: connect.get_username().to_owned(),
            why: error.to_string(),
        },
        Some("3D000") => {
            let name = connect.get_database().unwrap_or_else(|| connect.get_username()).to_owned();
            OpenError::NoDatabase { server, name }
        }
        Some(_) => OpenError::Database { server, source: error },
        None => OpenError::Unreachable { server, why: error.to_string() },
    }
}

fn sqlstate(error: &Error) -> Option<&str> {
    let refusal = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    Some(refusal.code())
}

/// Host and port, without the password.
fn server(connect: &PgConnectOptions) -> String {
    format!("{}:{}", connect.get_host(), connect.get_port())
}

fn check_version(connection: &PgConnection) -> Result<(), OpenError> {
    match connection.server_version_num() {
        Some(found) if found < OLDEST_VERSION * 10_000 => {
            Err(OpenError::TooOld { found: (found / 10_000).to_string() })
        }
        _ => Ok(()),
    }
}

/// Reads the settings back: the server's, the database's and the user's are one here.
async fn check_durability(
    connection: &mut PgConnection,
    failover: Failover,
    server: &str,
) -> Result<(), OpenError> {
    let (fsync, pages, commit): (String, String, String) = sqlx::query_as(
        "SELECT current_setting('fsync'), current_setting('full_page_writes'), \
             current_setting('synchronous_commit')",
    )
    .fetch_one(connection)
    .await
    .map_err(|source| OpenError::Database { server: server.to_owned(), source })?;
    let needed = |setting, found: String, needed| OpenError::NotDurable { setting, found, needed };
    if fsync != "on" {
        return Err(needed("fsync", fsync, "on"));
    }
    if pages != "on" {
        return Err(needed("full_page_writes", pages, "on"));
    }
    match (commit.as_str(), failover) {
        ("off", _) => Err(needed("synchronous_commit", commit, "on")),
        ("local", Failover::Synchronous) => {
            Err(needed("synchronous_commit", commit, "on, as failover is synchronous"))
        }
        _ => Ok(()),
    }
}

/// Makes the store's one row at the first start, whoever comes first; the schema that it needs.
async fn make_first_row(connection: &mut PgConnection, found: Origin) -> Result<i64, OpenError> {
    sqlx::query(
        "INSERT INTO store (singleton, store_id, epoch, created_at, system_id, timeline) \
         VALUES (1, $1, 1, (extract(epoch FROM now()) * 1000)::bigint, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(Uuid::new_v4())
    .bind(found.system_id)
    .bind(found.timeline)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::from)?;
    let needed = sqlx::query_scalar("SELECT compatible_from FROM store").fetch_one(connection);
    Ok(needed.await.map_err(StoreError::from)?)
}

/// Until the first connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
const CANNOT_CONNECT_NOW: &str = "57P03";
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The oldest major version.
const OLDEST_VERSION: u32 = 14;
