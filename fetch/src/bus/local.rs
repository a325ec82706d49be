use async_trait::async_trait;

use super::{Bus, BusEvent, BusListener, listener::Listeners};

/// The bus of a single process.
#[derive(Debug, Default)]
pub struct LocalBus(Listeners);

#[async_trait]
impl Bus for LocalBus {
    fn publish(&self, event: BusEvent) {
        self.0.tell(event);
    }

    fn subscribe(&self) -> BusListener {
        self.0.subscribe()
    }

    async fn close(&self) {
        self.0.close();
    }
}
