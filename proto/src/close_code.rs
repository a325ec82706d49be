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
}
