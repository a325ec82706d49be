//! NATS, core publish and subscribe: nothing is kept there.

mod failure;
mod options;

use async_nats::{Client, Event, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use uuid::Uuid;

pub use options::{InvalidNats, NatsOptions};

use super::{
    RemoteBus,
    carrier::{Broken, Carrier, Incoming, Link},
};

impl RemoteBus {
    /// Over NATS, on a subject that carries the store's id.
    ///
    /// Must be called within a Tokio runtime.
    #[must_use]
    pub fn nats(options: NatsOptions, store_id: Uuid) -> Self {
        let subject = format!("{}.v1.{}", options.subject_prefix(), store_id.simple());
        Self::start(Nats { options, subject })
    }
}

#[derive(Debug)]
struct Nats {
    options: NatsOptions,
    subject: String,
}

impl Carrier for Nats {
    type Link = NatsLink;

    const NAME: &'static str = "nats";

    async fn connect(&self) -> Result<NatsLink, Broken> {
        let (events_tx, events) = mpsc::channel(EVENTS_KEPT);
        let options = self.options.connect_options().map_err(broken)?;
        let options = options
            .name("nudge bus")
            // The client's own reconnecting would not tell what was lost meanwhile, and outlive us.
            .max_reconnects(self.options.servers().len())
            .client_capacity(COMMANDS_KEPT)
            .subscription_capacity(MESSAGES_KEPT)
            .event_callback(move |event| {
                let events = events_tx.clone();
                async move {
                    // When it is full the subscription's end tells the same.
                    let _ = events.try_send(event);
                }
            });
        let client = options
            .connect(self.options.servers())
            .await
            .map_err(|error| Broken(failure::explain(&error, self.options.login())))?;
        let subscriber = client.subscribe(self.subject.clone()).await.map_err(broken)?;
        Ok(NatsLink { subject: self.subject.clone(), client, subscriber, events })
    }
}

struct NatsLink {
    subject: String,
    client: Client,
    subscriber: Subscriber,
    events: mpsc::Receiver<Event>,
}

impl Link for NatsLink {
    /// Far below what a server takes by default, so that no listener has to keep much.
    const BATCH_BYTES_MAX: usize = 32 << 10;

    const BATCHES_MAX: usize = 16;

    async fn hear(&mut self) -> Result<Incoming, Broken> {
        loop {
            tokio::select! {
                message = self.subscriber.next() => {
                    let message = message.ok_or_else(closed)?;
                    return Ok(Incoming::Batch(message.payload));
                }
                event = self.events.recv() => match event {
                    None | Some(Event::Disconnected | Event::Closed | Event::Draining) => {
                        return Err(closed());
                    }
                    Some(Event::SlowConsumer(_)) => return Ok(Incoming::Dropped),
                    Some(Event::ServerError(error)) => {
                        return Err(Broken(failure::explain_refusal(&error, &self.subject)));
                    }
                    Some(Event::ClientError(error)) => return Err(broken(error)),
                    Some(Event::Connected | Event::LameDuckMode) => {}
                }
            }
        }
    }

    async fn publish(&mut self, batches: Vec<Bytes>) -> Result<(), Broken> {
        for batch in batches {
            self.client.publish(self.subject.clone(), batch).await.map_err(broken)?;
        }
        self.client.flush().await.map_err(broken)
    }

    async fn close(mut self) {
        // Whatever fails here fails for one who leaves.
        let _ = self.subscriber.unsubscribe().await;
        let _ = self.client.flush().await;
    }
}

fn closed() -> Broken {
    Broken("the server closed the connection".to_owned())
}

fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(error.to_string())
}

/// Publishes that may wait within the client; what waits longer does so merged, in the outbox.
const COMMANDS_KEPT: usize = 64;
/// Batches that may wait to be read.
const MESSAGES_KEPT: usize = 1024;
/// The client's own news that may wait to be read.
const EVENTS_KEPT: usize = 64;
