//! Every bus, held to what all of them must do, over the real servers.

mod nats;
mod postgres;
mod secured;

use std::sync::Arc;

use async_trait::async_trait;
use nudge_fetch::bus::{Bus, LocalBus, conformance::Wire};
use uuid::Uuid;

/// A single process.
#[derive(Default)]
struct Process(Arc<LocalBus>);

#[async_trait]
impl Wire for Process {
    async fn join(&self, _: Uuid) -> Arc<dyn Bus> {
        Arc::clone(&self.0) as _
    }
}

mod local {
    use super::Process;

    nudge_fetch::bus_conformance!(Process::default());
}
