use crate::{
    CloseCode, Epoch, InboxSeq, SessionId,
    frame::{ClientFrame, FrameError, GoAway, Notice, Typing},
};

/// What happens to a server's session.
#[derive(Debug)]
pub enum ServerInput {
    /// The client said something.
    Frame(ClientFrame),
    /// The client sent what is no frame.
    BadFrame(FrameError),
    /// The socket did not take the last [`Send`](super::ServerEffect::Send) at once.
    WriteBlocked,
    /// The socket took the rest of it.
    Written,
    /// The answer to [`Admit`](super::ServerEffect::Admit).
    Admitted(Admission),
    /// The other answer to [`Admit`](super::ServerEffect::Admit).
    Refused(CloseCode),
    /// The inbox has moved.
    Moved(Notice),
    /// The inbox has moved by this device's own doing: the head is known, no notice is sent.
    MovedQuietly(InboxSeq),
    /// Somebody is typing.
    Typing(Typing),
    /// A newer connection of this device stands: superseded or replaced.
    Displaced(CloseCode),
    /// The device was revoked.
    Revoked,
    /// The store has a new epoch.
    EpochChanged,
    /// Whether the node has a watch.
    Watch(bool),
    /// The node wants the client to go elsewhere.
    GoAway(GoAway),
    /// The connection is gone.
    PeerClosed,
}

/// A client that may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// For logs and support.
    pub session_id: SessionId,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The user's head.
    pub head: InboxSeq,
    /// Milliseconds since 1970.
    pub server_time_ms: u64,
}
