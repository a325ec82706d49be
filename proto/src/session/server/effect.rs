use crate::{
    Cursor,
    frame::{Hello, ServerFrame},
};

/// What the driver of a server's session has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerEffect {
    /// Check the ticket and register with the watch; answer with `Admitted` or `Refused`.
    Admit(Box<Hello>),
    /// Write the frame. When the socket does not take it at once, say `WriteBlocked`, and no other
    /// frame follows until `Written`.
    Send(ServerFrame),
    /// Tell the store that the device has everything up to here.
    Ack(Cursor),
    /// Close the connection; the last effect.
    Close,
}
