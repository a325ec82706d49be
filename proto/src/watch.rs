//! The watch: what signal and fetch tell each other.
//!
//! One bidirectional stream of batches per signal node. The trait has the shape of a gRPC
//! bidirectional call, so that the in-process watch and the remote one are the same to both sides.
//! What is told may be lost, doubled and late; everything merges by maximum.
//!
//! - `wire`: batches from and to protobuf
//! - `secret`: what a signal node shows to a fetch node; `name`: what it calls itself; `store`: what it is shown

mod name;
mod secret;
mod store;
mod wire;

use futures::{future::BoxFuture, stream::BoxStream};

use crate::{
    CloseCode, Cursor, DeviceId, Epoch, InboxSeq, TraceContext, UserId,
    frame::{Notice, Typing},
    ticket::TicketKey,
};

pub use name::{InvalidNodeName, NodeName};
pub use secret::{InvalidWatchSecret, WatchSecret};
pub use store::{InvalidStoreId, StoreId};
pub use wire::{InvalidBatch, decode_down, decode_up, encode_down, encode_up};

/// The fetch side of the watch, as signal sees it.
pub trait Watch: Send + Sync + std::fmt::Debug + 'static {
    /// Opens this node's stream.
    ///
    /// The first batch downward carries [`Down::Keys`]. The stream ends when `up` ends; either
    /// breaking means that the node must open a new one and hold everything again.
    fn open(&self, up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>>;

    /// What somebody has to look at, although streams are open.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// Batches upward, in order.
pub type UpStream = BoxStream<'static, Vec<Up>>;

/// Batches downward, in order; ends after the first error.
pub type DownStream = BoxStream<'static, Result<Vec<Down>, WatchError>>;

/// Why a watch broke; the node opens a new one after a backoff.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The content service is not there, or not ready.
    #[error("the content service is unavailable: {0}")]
    Unavailable(String),
    /// The content service does not take this node: somebody has to look at the configuration.
    #[error("the content service refuses this node: {0}")]
    Refused(String),
    /// The content service has other users than those whose sessions this node holds.
    #[error("the content service serves another store: {0}")]
    OtherStore(String),
    /// What was said is not the watch as this version knows it.
    #[error("the content service cannot be understood: {0}")]
    Malformed(String),
}

/// Most items of one batch, in either direction.
pub const WATCH_BATCH_MAX: usize = 1024;

/// Names a session within one node's stream; chosen by the node, never reused within it.
pub type SessionKey = u64;

/// Tells the order of a device's connections across all nodes: the highest stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// What signal tells fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    /// This node holds a connection of the device; answered with [`Down::Held`] or [`Down::Refused`].
    Hold(Hold),
    /// The connection is gone.
    Drop {
        /// Which.
        session: SessionKey,
    },
    /// The device has stored everything up to the cursor.
    Ack {
        /// Whose.
        user_id: UserId,
        /// Which device.
        device_id: DeviceId,
        /// Up to where.
        cursor: Cursor,
    },
}

/// A connection to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Names the connection in what comes down.
    pub session: SessionKey,
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// The client program's run.
    pub instance: u64,
    /// The connection attempt of that run.
    pub attempt: u32,
    /// When its ticket was issued, in seconds since 1970.
    pub ticket_issued_at_s: u64,
    /// The device's last ack, if the node knows one.
    pub acked: Option<Cursor>,
    /// What the node knew when an earlier stream broke; a new connection has nothing.
    pub known: Option<Known>,
    /// The hello came before this stream was opened: that it is told now does not make it newer than
    /// what is held elsewhere.
    pub late: bool,
}

/// What a node knows of a session that it registers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The session's place in the order of its device's connections.
    pub generation: Generation,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The highest head told for the user.
    pub head: InboxSeq,
}

/// What fetch tells signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// The keys that tickets are checked with; replaces all earlier ones.
    Keys(Vec<TicketKey>),
    /// A [`Hold`] stands: everything after `head` will be told.
    Held {
        /// Which.
        session: SessionKey,
        /// Its place in the order of its device's connections.
        generation: Generation,
        /// The store's epoch.
        epoch: Epoch,
        /// The user's head, read after the subscription.
        head: InboxSeq,
    },
    /// A [`Hold`] does not stand: the device was revoked, or a newer connection is held.
    Refused {
        /// Which.
        session: SessionKey,
        /// What the connection closes with.
        code: CloseCode,
    },
    /// A user's inbox has moved.
    Head {
        /// Whose.
        user_id: UserId,
        /// Merges by maximum.
        notice: Notice,
        /// The device whose own send this was, and which needs no notice of it.
        except_device_id: Option<DeviceId>,
        /// The trace of what moved it, if somebody keeps one.
        trace: Option<TraceContext>,
    },
    /// Somebody is typing to the user.
    Typing {
        /// To whom.
        to: UserId,
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
    /// A newer connection of the session's device stands, on this node or another.
    Displaced {
        /// Which.
        session: SessionKey,
        /// Superseded or replaced.
        code: CloseCode,
    },
    /// The store has a new epoch: every session is told to start again.
    EpochChanged {
        /// The new one.
        epoch: Epoch,
    },
    /// This fetch node is draining: open a second stream elsewhere, hold everything, close this one.
    Moving {
        /// The stream is closed after this many milliseconds.
        deadline_ms: u32,
    },
}
