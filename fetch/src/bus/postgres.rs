//! LISTEN and NOTIFY, on a connection of its own.
//!
//! A NOTIFY takes a lock that all of the server's committing NOTIFYs take: inside a transaction of the
//! store it would make its commits wait for each other. Here it is a transaction of nothing else, which
//! neither waits for the disk nor for a standby.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use uuid::Uuid;

use super::{
    RemoteBus,
    carrier::{Broken, Carrier, Incoming, Link},
};
use crate::limits::BUS_ANSWER_TIMEOUT;

impl RemoteBus {
    /// Over the database's own LISTEN and NOTIFY. The connection must be to the server itself or to a pooler
    /// that pools sessions: others forget who listens.
    ///
    /// Must be called within a Tokio runtime.
    #[must_use]
    pub fn postgres(options: PgConnectOptions, store_id: Uuid) -> Self {
        Self::start(Postgres {
            options: options.application_name("nudge bus").disable_statement_logging(),
            channel: format!("nudge_v1_{}", store_id.simple()),
        })
    }
}

#[derive(Debug)]
struct Postgres {
    options: PgConnectOptions,
    /// Carries the store's id: many may share a database.
    channel: String,
}

impl Carrier for Postgres {
    type Link = PostgresLink;

    const NAME: &'static str = "postgres";

    async fn connect(&self) -> Result<PostgresLink, Broken> {
        // The listener wants a pool, and a pool goes on trying without a word while the server refuses.
        self.options.connect().await?.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(BUS_ANSWER_TIMEOUT)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // A connection that was lost is ours to notice.
        listener.eager_reconnect(false);
        sqlx::query("SET synchronous_commit = off").execute(&mut listener).await?;
        listener.listen(&self.channel).await?;
        Ok(PostgresLink { channel: self.channel.clone(), pool, listener })
    }
}

struct PostgresLink {
    channel: String,
    pool: PgPool,
    listener: PgListener,
}

impl Link for PostgresLink {
    /// A payload has less than 8,000 bytes, in base64.
    const BATCH_BYTES_MAX: usize = 7999 / 4 * 3;

    const BATCHES_MAX: usize = 64;

    async fn hear(&mut self) -> Result<Incoming, Broken> {
        let Some(notification) = self.listener.try_recv().await? else {
            return Err(Broken("the server closed the connection".to_owned()));
        };
        let batch = STANDARD_NO_PAD.decode(notification.payload());
        Ok(batch.map_or(Incoming::Dropped, |batch| Incoming::Batch(batch.into())))
    }

    async fn publish(&mut self, batches: Vec<Bytes>) -> Result<(), Broken> {
        let payloads: Vec<_> = batches.iter().map(|batch| STANDARD_NO_PAD.encode(batch)).collect();
        sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(&self.channel)
            .bind(payloads)
            .execute(&mut self.listener)
            .await?;
        Ok(())
    }

    async fn close(self) {
        drop(self.listener);
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}
