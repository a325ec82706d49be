//! The bus: what a fetch node tells the others (and itself) after a commit.
//!
//! It carries ids and numbers only. It may lose, double and merge, and it never blocks a commit:
//! whoever listens must be able to find out everything from the store.

use nudge_proto::{DeviceId, UserId, frame::Typing};
use tokio::sync::broadcast;

use crate::store::Moved;

/// A way to all fetch nodes.
pub trait Bus: Send + Sync + std::fmt::Debug + 'static {
    /// Tells everybody; never waits, never fails.
    fn publish(&self, event: BusEvent);

    /// What is told from now on.
    fn subscribe(&self) -> BusListener;
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// Inboxes moved.
    Moved(Vec<Moved>),
    /// Somebody is typing to these users.
    Typing {
        /// To whom.
        to: Vec<UserId>,
        /// Where and who.
        typing: Typing,
    },
    /// An operator ends the connections of a device, or all of the user's; they may come back.
    Kicked {
        /// Whose.
        user_id: UserId,
        /// Which; `None` for all.
        device_id: Option<DeviceId>,
    },
    /// A device, or every device of the user, was revoked.
    Revoked {
        /// Whose.
        user_id: UserId,
        /// Which; `None` for all.
        device_id: Option<DeviceId>,
    },
}

/// Hears what is told.
#[derive(Debug)]
pub struct BusListener(broadcast::Receiver<BusEvent>);

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
    pub async fn hear(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(event) => Heard::Event(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Gap,
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

/// The bus of a single process.
#[derive(Debug)]
pub struct LocalBus(broadcast::Sender<BusEvent>);

impl Default for LocalBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(EVENTS_KEPT))
    }
}

impl Bus for LocalBus {
    fn publish(&self, event: BusEvent) {
        // Without listeners there is nobody to tell.
        let _ = self.0.send(event);
    }

    fn subscribe(&self) -> BusListener {
        BusListener(self.0.subscribe())
    }
}

/// Events that a slow listener may be behind before it hears of a gap.
const EVENTS_KEPT: usize = 4096;
