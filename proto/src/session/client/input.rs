use std::fmt;

use bytes::Bytes;

use crate::{
    Cursor,
    frame::{FrameError, ServerFrame},
};

/// What happens to a client's session.
///
/// What happens to a connection is to be told only while it is the last one asked for: after
/// [`Disconnect`](super::ClientEffect::Disconnect) nothing more of it counts.
pub enum ClientInput {
    /// Begin, with this ticket and what is stored already.
    Start {
        /// From the log in.
        ticket: Bytes,
        /// Everything up to here is stored.
        stored: Option<Cursor>,
    },
    /// The connection of the last [`Connect`](super::ClientEffect::Connect) stands.
    Connected,
    /// It does not, or it broke.
    Disconnected,
    /// The server said something.
    Frame(ServerFrame),
    /// The server sent what is no frame.
    BadFrame(FrameError),
    /// Everything up to here is durably stored.
    Stored(Cursor),
    /// The answer to [`RenewTicket`](super::ClientEffect::RenewTicket).
    TicketRenewed(Bytes),
    /// The other answer: nobody could be asked, so it is asked for again after the backoff.
    TicketNotRenewed,
    /// The network came back or changed: do not wait for the backoff. A window that the server
    /// gave in a go_away still counts.
    NetworkChanged,
    /// End: nothing more will be asked of the driver but to disconnect.
    Stop,
}

impl fmt::Debug for ClientInput {
    /// Leaves the tickets out: they are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { stored, .. } => {
                formatter.debug_struct("Start").field("stored", stored).finish_non_exhaustive()
            }
            Self::Connected => formatter.write_str("Connected"),
            Self::Disconnected => formatter.write_str("Disconnected"),
            Self::Frame(frame) => formatter.debug_tuple("Frame").field(frame).finish(),
            Self::BadFrame(error) => formatter.debug_tuple("BadFrame").field(error).finish(),
            Self::Stored(cursor) => formatter.debug_tuple("Stored").field(cursor).finish(),
            Self::TicketRenewed(_) => formatter.write_str("TicketRenewed(..)"),
            Self::TicketNotRenewed => formatter.write_str("TicketNotRenewed"),
            Self::NetworkChanged => formatter.write_str("NetworkChanged"),
            Self::Stop => formatter.write_str("Stop"),
        }
    }
}
