use std::sync::Arc;

use async_trait::async_trait;
use nudge_fetch::bus::{
    Bus, RemoteBus,
    conformance::{Server, Wire},
};
use nudge_test_servers::Nats;
use uuid::Uuid;

struct OverNats(Nats);

impl OverNats {
    fn start() -> Self {
        Self(Nats::start().unwrap())
    }
}

#[async_trait]
impl Wire for OverNats {
    async fn join(&self, store_id: Uuid) -> Arc<dyn Bus> {
        Arc::new(RemoteBus::nats(self.0.url().parse().unwrap(), store_id))
    }
}

#[async_trait]
impl Server for OverNats {
    async fn stop(&self) {
        self.0.stop();
    }

    async fn kill(&self) {
        self.0.kill();
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

nudge_fetch::bus_conformance!(OverNats::start());
nudge_fetch::remote_bus_conformance!(OverNats::start());
