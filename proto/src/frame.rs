//! The frames of a signaling session, typed, and their length-prefixed bytes.
//!
//! On TCP a frame is a 2-byte big-endian length and that many bytes of protobuf. Message transports
//! (WebSocket) carry the protobuf alone.

mod decoder;
mod wire;

use bytes::Bytes;

use crate::{CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId};

pub use decoder::FrameDecoder;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The first frame of a connection.
    Hello(Hello),
    /// Everything up to here is stored by this device.
    Ack(Cursor),
    /// Sent once per heartbeat, whatever else is said.
    Ping,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// The answer to a hello.
    Welcome(Welcome),
    /// There is something in the inbox.
    Notice(Notice),
    /// Somebody is typing.
    Typing(Typing),
    /// The answer to a ping; without a head while the node has no watch.
    Pong {
        /// The newest number of the inbox.
        head: Option<InboxSeq>,
    },
    /// Come back elsewhere or later.
    GoAway(GoAway),
    /// The connection closes right after.
    Error {
        /// Why.
        code: CloseCode,
        /// The same for a person, at most [`ERROR_TEXT_BYTES_MAX`](crate::limits::ERROR_TEXT_BYTES_MAX).
        text: String,
    },
}

/// Who connects, and what the device already has.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// See [`crate::ticket`].
    pub ticket: Bytes,
    /// Everything up to here is stored; counts as an ack.
    pub cursor: Option<Cursor>,
    /// Random, chosen once per run of the client program.
    pub instance: u64,
    /// Rises with every connection attempt of that run.
    pub attempt: u32,
    /// For the operator's eyes.
    pub client_name: String,
    /// For the operator's eyes.
    pub client_version: String,
    /// The heartbeat the client would like, in seconds; 0 leaves it to the server.
    pub heartbeat_s: u32,
    /// What the client knows of its network.
    pub network_hint: String,
}

impl std::fmt::Debug for Hello {
    /// Leaves the ticket out: it is a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Hello")
            .field("cursor", &self.cursor)
            .field("instance", &self.instance)
            .field("attempt", &self.attempt)
            .field("client_name", &self.client_name)
            .field("client_version", &self.client_version)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("network_hint", &self.network_hint)
            .finish_non_exhaustive()
    }
}

/// The session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// For logs and support.
    pub session_id: SessionId,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The newest number of the inbox.
    pub head: InboxSeq,
    /// The heartbeat to use, in seconds.
    pub heartbeat_s: u32,
    /// The server's clock, milliseconds since 1970.
    pub server_time_ms: u64,
}

/// There is something in the inbox up to `head`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The newest number of the inbox.
    pub head: InboxSeq,
    /// The newest message, when a message is among what is new.
    pub message_id: Option<MessageId>,
    /// What changed.
    pub flags: NoticeFlags,
}

impl Notice {
    /// Takes `newer` in: the higher head stands, and its message if it names one; the flags are OR-ed.
    ///
    /// For head and flags the order of arrival does not matter.
    pub fn merge(&mut self, newer: Self) {
        if newer.head >= self.head {
            self.head = newer.head;
            self.message_id = newer.message_id.or(self.message_id);
        } else {
            self.message_id = self.message_id.or(newer.message_id);
        }
        self.flags = self.flags.union(newer.flags);
    }
}

/// What changed, as bits: a hint, never a licence to skip a fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeFlags(u8);

impl NoticeFlags {
    /// Nothing is said.
    pub const NONE: Self = Self(0);
    /// At least one message.
    pub const MESSAGE: Self = Self(1);
    /// At least one receipt.
    pub const RECEIPT: Self = Self(2);
    /// At least one change of a conversation.
    pub const CHANGE: Self = Self(4);
    /// Bits above these are dropped: a notice must fit its limit.
    const KNOWN: u32 = 0x7f;

    /// The flags of a number from the wire; unknown high bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self((bits & Self::KNOWN) as u8)
    }

    /// The bits as they stand on the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Somebody is typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typing {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
}

/// Come back elsewhere or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// Why; a code of the reconnect range.
    pub code: CloseCode,
    /// The reconnect window's start, in milliseconds from now.
    pub reconnect_min_ms: u32,
    /// The reconnect window's end, in milliseconds from now.
    pub reconnect_max_ms: u32,
    /// Where to go, at most [`ADDRESS_BYTES_MAX`](crate::limits::ADDRESS_BYTES_MAX); a longer one is
    /// not sent. `None` for the same address.
    pub address: Option<String>,
    /// The connection is closed after this many milliseconds.
    pub deadline_ms: u32,
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length prefix is above the limit.
    #[error("a frame of {length} bytes, above the limit of {limit}")]
    TooLarge {
        /// What the prefix says.
        length: usize,
        /// What the direction allows.
        limit: usize,
    },
    /// The stream ended before the frame did: the network's doing, hardly ever the peer's.
    #[error("the stream ends within a frame")]
    CutShort,
    /// Not the protobuf of this direction's frame.
    #[error("not a frame: {0}")]
    Malformed(String),
}

impl FrameError {
    /// The code the connection closes with.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        match self {
            Self::TooLarge { .. } => CloseCode::FrameTooLarge,
            Self::CutShort => CloseCode::CutShort,
            Self::Malformed(_) => CloseCode::ProtocolViolation,
        }
    }
}
