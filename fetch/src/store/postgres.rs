//! The store in Postgres: many nodes share one.
//!
//! Every write is a transaction that takes its locks in one order: conversations, users, uploads, media, devices,
//! members, pending fan-outs, inbox heads, receipts due; each kind by id. It is READ COMMITTED: a statement that
//! locks may have waited, hence what depends on the lock is read by the next statement. Every read is one snapshot.

mod accounts;
mod acks;
mod arguments;
mod changes;
mod conversations;
mod creation;
mod deletion;
mod devices;
mod fan_out;
mod grants;
mod history;
mod inboxes;
mod keys;
mod lanes;
mod locks;
mod media;
mod members;
mod messages;
mod multiparts;
mod open;
mod operations;
mod options;
mod origin;
mod pending;
mod receipts;
mod send;
mod send_facts;
mod send_rows;
mod story;
mod sweep;
mod transactions;
mod upkeep;
mod uploads;
mod users;
mod views;
mod visible;

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::StoreError;
use crate::telemetry;
use acks::AckWork;
use lanes::Lanes;
pub use open::OpenError;
pub use options::{Failover, FanOut, NO_STANDBY, PostgresOptions};
use send::SendWork;
use transactions::{Repeat, Transactions, Within};

/// The store in a Postgres database.
#[derive(Debug)]
pub struct PostgresStore {
    /// Everything but what the lanes commit.
    general: Transactions,
    /// The lanes' connections.
    lanes: PgPool,
    sends: Lanes<SendWork>,
    acks: Lanes<AckWork>,
    fan_out: FanOut,
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
        let general = Transactions {
            pool: pool(&connect, options.connections, options.failover),
            failover: options.failover,
        };
        // Where the connection leads is known before anything is served.
        general.read(|_, _| Box::pin(async { Ok(()) })).await?;
        let (senders, ackers) = (options.writers.max(1), options.writers.div_ceil(2).max(1));
        let lanes = pool(&connect, senders + ackers, options.failover);
        let transactions = Transactions { pool: lanes.clone(), ..general.clone() };
        let acks = AckWork { transactions: transactions.clone() };
        let sends = SendWork { transactions, fan_out: options.fan_out };
        Ok(Self {
            general,
            lanes,
            sends: Lanes::start(senders, &sends),
            acks: Lanes::start(ackers, &acks),
            fan_out: options.fan_out,
        })
    }

    /// Runs `work` over a snapshot.
    async fn read<'env, T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: for<'c> FnOnce(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.general.read(work).await
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
        counted(self.general.write(Repeat::Safe, work)).await
    }

    /// The same for what would happen twice: with an unknown outcome it ends as [`StoreError::Unavailable`].
    async fn write_once<'env, T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        counted(self.general.write(Repeat::Never, work)).await
    }
}

/// Counts a write by itself among the commits; a refusal is none.
async fn counted<T>(write: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let begun = Instant::now();
    let written = write.await;
    let has_failed = matches!(
        written,
        Err(StoreError::Unavailable(_) | StoreError::Undone(_) | StoreError::Full)
    );
    if has_failed || written.is_ok() {
        telemetry::committed(1, begun.elapsed(), written.is_ok());
    }
    written
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
