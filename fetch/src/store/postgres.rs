//! The store in Postgres: many nodes share one.
//!
//! Every write is a transaction that takes its locks in one order: conversations by id, users by id, inbox heads
//! by user id, then the rest. It is READ COMMITTED: a statement that locks may have waited, hence what depends on
//! the lock is read by the next statement. Every read is one snapshot.

mod accounts;
mod changes;
mod conversations;
mod creation;
mod deletion;
mod devices;
mod fan_out;
mod grants;
mod history;
mod keys;
mod locks;
mod media;
mod members;
mod messages;
mod multiparts;
mod open;
mod operations;
mod options;
mod origin;
mod receipts;
mod rows;
mod story;
mod transactions;
mod uploads;
mod users;
mod views;
mod visible;

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::StoreError;
pub use open::OpenError;
pub use options::{Failover, FanOut, PostgresOptions};
use transactions::{Repeat, Transactions, Within};

/// The store in a Postgres database.
#[derive(Debug)]
pub struct PostgresStore {
    general: Transactions,
}

impl PostgresStore {
    /// Opens the database, bringing its schema up to date as needed.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let connect = options.connect_options()?;
        open::prepare(&connect, options).await?;
        let pool = pool(&connect, options.connections, options.failover);
        let general = Transactions { pool, failover: options.failover };
        // Where the connection leads is known before anything is served.
        drop(general.read().await?);
        Ok(Self { general })
    }

    /// A snapshot to read from; dropped without a trace.
    async fn read(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.general.read().await
    }

    /// Runs `work` in a transaction; again from its start when the server undid it, or when nobody knows whether
    /// it was committed: `work` must be safe to repeat after it has happened.
    async fn write<'env, T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.general.write(Repeat::Safe, work).await
    }

    /// The same for what would happen twice: with an unknown outcome it ends as [`StoreError::Unavailable`].
    async fn write_once<'env, T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.general.write(Repeat::Never, work).await
    }
}

/// Connections that are made as they are needed, and checked before they are used.
fn pool(connect: &PgConnectOptions, connections: u32, failover: Failover) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(origin::check(connection, failover)))
        .before_acquire(|connection, met| {
            Box::pin(async move {
                if met.idle_for < TRUSTED_IDLE {
                    return Ok(true);
                }
                answers(connection).await.map(|()| true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move { answers(connection).await.map(|()| true) })
        })
        .connect_lazy_with(connect.clone())
}

/// A connection into nowhere must not take its place in the pool with it.
async fn answers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    timeout(PING_TIMEOUT, connection.ping()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// How long a transaction waits for a connection: a server may restart meanwhile.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was used just now is not asked whether it still works.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
