use std::sync::{PoisonError, RwLock};

use tokio::sync::broadcast;

use super::BusEvent;

/// Hears what is told.
#[derive(Debug)]
pub struct BusListener(broadcast::Receiver<Told>);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something was told.
    Event(BusEvent),
    /// Something was lost: look at the store.
    Gap,
    /// Nothing more will come.
    Closed,
}

impl BusListener {
    /// The next thing.
    ///
    /// Nothing is lost when the future is dropped before it is ready.
    pub async fn hear(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(Told::Event(event)) => Heard::Event(event),
            Ok(Told::Gap) | Err(broadcast::error::RecvError::Lagged(_)) => Heard::Gap,
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

/// Tells the listeners of this process; `None` once closed.
#[derive(Debug)]
pub(super) struct Listeners(RwLock<Option<broadcast::Sender<Told>>>);

#[derive(Clone, Debug)]
enum Told {
    Event(BusEvent),
    Gap,
}

impl Default for Listeners {
    fn default() -> Self {
        Self(RwLock::new(Some(broadcast::Sender::new(EVENTS_KEPT))))
    }
}

impl Listeners {
    pub(super) fn tell(&self, event: BusEvent) {
        self.send(Told::Event(event));
    }

    pub(super) fn tell_gap(&self) {
        self.send(Told::Gap);
    }

    pub(super) fn subscribe(&self) -> BusListener {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // A channel whose sender is dropped is closed.
        let subscribe = |sender: &broadcast::Sender<Told>| sender.subscribe();
        BusListener(open.as_ref().map_or_else(|| broadcast::channel(1).1, subscribe))
    }

    /// Listeners hear what they have not heard yet, and nothing more.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn send(&self, told: Told) {
        if let Some(sender) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            // Without listeners there is nobody to tell.
            let _ = sender.send(told);
        }
    }
}

/// Events that a slow listener may be behind before it hears of a gap.
const EVENTS_KEPT: usize = 4096;
