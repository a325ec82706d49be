//! Several nodes on one Postgres, and the service on it.

use std::sync::Arc;

use nudge_fetch::store::{
    Store,
    conformance::Place,
    postgres::{FanOut, PostgresOptions, PostgresStore},
};
use nudge_test_servers::Postgres;

mod clocks;
mod groups;
mod http;
mod nodes;
mod races;
mod storm;

/// A database of its own on the server of this process.
struct Database(PostgresOptions);

impl Database {
    fn new(fan_out: FanOut) -> Self {
        let url = Postgres::shared().database();
        Self(PostgresOptions { fan_out, ..PostgresOptions::new(url) })
    }
}

#[async_trait::async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.0).await.unwrap())
    }
}
