//! Why a signaling connection ends.

pub use crate::pb::signal::CloseCode;

impl CloseCode {
    /// Whether the client comes back by itself (3000 to 3499) or waits for the user or the app.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self as i32 >= 3500
    }

    /// The code of a number from the wire.
    ///
    /// A number this version does not know keeps the meaning of its range.
    #[must_use]
    pub fn from_wire(number: u32) -> Self {
        let known = i32::try_from(number).ok().and_then(|number| Self::try_from(number).ok());
        match known {
            Some(code) => code,
            None if (3500..4000).contains(&number) => Self::ProtocolViolation,
            None => Self::Unavailable,
        }
    }

    /// The code as it stands on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u32 {
        self as u32
    }

    /// The reason for a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unspecified => "no reason was given",
            Self::Draining => "this node is being drained: come back in a moment",
            Self::Overloaded => "too many connections right now: come back later",
            Self::IdleTimeout => "nothing was heard for one and a half heartbeats",
            Self::WriteTimeout => "a frame was not taken in time",
            Self::Superseded => "a newer connection of this client took over",
            Self::Unavailable => "the content service cannot be reached: come back later",
            Self::EpochChanged => {
                "the store has another epoch: connect again and read the inbox from its start"
            }
            Self::HelloTimeout => "no hello came in time: it must be the first frame",
            Self::TooManyConnections => "this user holds too many connections here",
            Self::CutShort => "the stream ended within a frame: it was cut on the way",
            Self::Kicked => "an operator ended this connection: come back in a moment",
            Self::BadTicket => "the connect ticket is malformed or forged: log in again",
            Self::TicketExpired => "the connect ticket is past its time: refresh the session",
            Self::Revoked => "this device was revoked: log in as a new one",
            Self::Replaced => "another program connected as this device",
            Self::ProtocolViolation => "a frame that is malformed or not allowed here",
            Self::FrameTooLarge => "a frame above the limit",
        }
    }
}
