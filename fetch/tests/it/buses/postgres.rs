use std::sync::Arc;

use async_trait::async_trait;
use nudge_fetch::bus::{
    Bus, RemoteBus,
    conformance::{Server, Wire},
};
use nudge_test_servers::{Postgres, PostgresOptions};
use uuid::Uuid;

/// A server of the test's own, to be ended.
struct OverPostgres(Postgres);

/// A database on the server that all tests share.
struct Database(String);

impl OverPostgres {
    fn start() -> Self {
        Self(Postgres::start(PostgresOptions::default()).unwrap())
    }
}

#[async_trait]
impl Wire for OverPostgres {
    async fn join(&self, store_id: Uuid) -> Arc<dyn Bus> {
        Arc::new(RemoteBus::postgres(self.0.url("postgres").parse().unwrap(), store_id))
    }
}

#[async_trait]
impl Wire for Database {
    async fn join(&self, store_id: Uuid) -> Arc<dyn Bus> {
        Arc::new(RemoteBus::postgres(self.0.parse().unwrap(), store_id))
    }
}

#[async_trait]
impl Server for OverPostgres {
    async fn stop(&self) {
        self.0.stop();
    }

    async fn kill(&self) {
        self.0.stop_immediate();
    }

    async fn start_again(&self) {
        self.0.start_again().unwrap();
    }

    async fn freeze(&self) {
        self.0.freeze();
    }

    async fn thaw(&self) {
        self.0.thaw();
    }
}

nudge_fetch::bus_conformance!(Database(Postgres::shared().database()));
nudge_fetch::remote_bus_conformance!(OverPostgres::start());
