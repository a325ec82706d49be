//! The Postgres store, on a real server.

use std::sync::Arc;

use nudge_fetch::store::{
    Store,
    conformance::Place,
    postgres::{FanOut, PostgresOptions, PostgresStore},
};
use nudge_test_servers::Postgres;

/// A database of its own.
struct Database {
    options: PostgresOptions,
}

impl Database {
    fn new(fan_out: FanOut) -> Self {
        let url = Postgres::shared().database();
        Self { options: PostgresOptions { fan_out, ..PostgresOptions::new(url) } }
    }
}

#[async_trait::async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.options).await.unwrap())
    }
}

mod with_commit {
    use super::{Database, FanOut};

    nudge_fetch::store_conformance!(Database::new(FanOut::WithCommit));
}

mod after_commit {
    use super::{Database, FanOut};

    nudge_fetch::store_conformance!(Database::new(FanOut::AfterCommit));
}
