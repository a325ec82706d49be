//! The Postgres store and its server: opening, lost answers, restarts, failover, plans.

mod failover;
mod losses;
mod opening;
mod pending;
mod plans;
mod road;

use std::sync::Arc;

use nudge_fetch::store::{
    Store,
    conformance::{Place, World},
    postgres::{PostgresOptions, PostgresStore},
};

/// A store that is opened with the options, again and again.
struct Database(PostgresOptions);

#[async_trait::async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.0).await.unwrap())
    }
}

/// A world in the database, with few connections.
async fn world(url: String) -> World {
    World::new(Database(few_connections(url))).await
}

/// One lane, so that concurrent sends share a commit.
fn few_connections(url: String) -> PostgresOptions {
    PostgresOptions { connections: 4, writers: 1, ..PostgresOptions::new(url) }
}

/// The name of a URL's database.
fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}
