use nudge_proto::{DeviceId, Epoch, UserId, frame::Typing};

use crate::store::{Moved, Point};

/// What is told. Hearing it twice, or late, does no harm.
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
    /// A device, or every device of the user, was revoked.
    Revoked {
        /// Whose.
        user_id: UserId,
        /// Which; `None` for all.
        device_id: Option<DeviceId>,
    },
    /// An operator ends the connections of a device, or all of the user's; they may come back.
    Kicked {
        /// Whose.
        user_id: UserId,
        /// Which; `None` for all.
        device_id: Option<DeviceId>,
    },
    /// Connections are held: older ones of their devices are displaced, whichever node holds them.
    Connected(Vec<Connection>),
    /// The store has a new epoch.
    EpochChanged(Epoch),
    /// Keys were made: read them again.
    KeysChanged,
}

/// A device's connection, as far as the order among its connections goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// The client program's run.
    pub instance: u64,
    /// The connection attempt of that run.
    pub attempt: u32,
    /// The newest point that its node knew when it arrived there.
    pub floor: Point,
    /// Its own, given after it arrived.
    pub point: Point,
}

impl Connection {
    /// Whether it displaces `other`, a connection of the same device, because it is certainly newer: within
    /// a run by the attempt, and between runs when the other had its point before this one arrived. Of two
    /// that came at the same time neither does. A connection is not newer than itself.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        if self.instance == other.instance {
            self.attempt > other.attempt
        } else {
            other.point <= self.floor
        }
    }
}
