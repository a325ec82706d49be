use std::sync::Arc;

use async_trait::async_trait;
use rand::random;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Bus, BusEvent, BusListener, BusStatus,
    carrier::{self, Carrier},
    exchange::Exchange,
};

/// A bus between processes: what one of them publishes, listeners of all of them hear.
///
/// It is there at once and connects by itself, again and again; until then, and while it is down, it
/// tells the listeners of this process alone. Listeners hear a gap whenever it came up.
#[derive(Debug)]
pub struct RemoteBus {
    exchange: Arc<Exchange>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl RemoteBus {
    pub(super) fn start<C: Carrier>(carrier: C) -> Self {
        let exchange = Arc::new(Exchange::new(C::NAME, random()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (carried, stopped) = (Arc::clone(&exchange), stop.clone());
        tasks.spawn(async move { carrier::keep(carrier, &carried, &stopped).await });
        Self { exchange, tasks, stop }
    }
}

#[async_trait]
impl Bus for RemoteBus {
    fn publish(&self, event: BusEvent) {
        self.exchange.publish(event);
    }

    fn subscribe(&self) -> BusListener {
        self.exchange.listeners.subscribe()
    }

    fn status(&self) -> BusStatus {
        self.exchange.status.now()
    }

    async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.exchange.listeners.close();
    }
}

impl Drop for RemoteBus {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
