//! What can happen in a conversation, in a form that a fuzzer can make up.

use arbitrary::Arbitrary;
use nudge_proto::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId,
    frame::{GoAway, Notice, NoticeFlags, Typing},
    limits::INBOX_SEQ_MAX,
    session::{Admission, ClientInput, ServerInput},
};
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// So many milliseconds.
    Pass(u32),
    /// Until the earlier deadline of both.
    Deadline,
    /// The client's connection comes to stand.
    Connect,
    /// It does not, or breaks at both ends.
    Break,
    /// It breaks at one end.
    BreakClient,
    BreakServer,
    /// So many bytes arrive.
    Upward(u16),
    Downward(u16),
    /// Bytes that nobody sent arrive, between others.
    ForgeUpward(Vec<u8>),
    ForgeDownward(Vec<u8>),
    Client(ClientStep),
    Server(ServerStep),
}

#[derive(Arbitrary, Debug)]
pub enum ClientStep {
    Start(Option<Place>),
    Stored(Place),
    TicketRenewed,
    TicketNotRenewed,
    NetworkChanged,
    Stop,
}

#[derive(Arbitrary, Debug)]
pub enum ServerStep {
    WriteBlocked,
    Written,
    Admitted(Place),
    Refused(u16),
    Moved(Number, Option<u128>, u32),
    MovedQuietly(Number),
    Typing,
    Displaced(u16),
    Revoked,
    EpochChanged,
    Watch(bool),
    GoAway { code: u16, min_ms: u32, max_ms: u32, deadline_ms: u32, address: Option<String> },
}

/// A cursor in one of a few epochs.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Place(bool, Number);

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    Small(u8),
    Any(u64),
}

impl Number {
    fn seq(self) -> InboxSeq {
        match self {
            Self::Small(number) => InboxSeq(number.into()),
            Self::Any(number) => InboxSeq(number & INBOX_SEQ_MAX),
        }
    }
}

impl Place {
    fn cursor(self) -> Cursor {
        Cursor { epoch: Epoch(self.0.into()), seq: self.1.seq() }
    }
}

impl ClientStep {
    pub fn input(self) -> ClientInput {
        match self {
            Self::Start(stored) => {
                ClientInput::Start { ticket: "ticket".into(), stored: stored.map(Place::cursor) }
            }
            Self::Stored(place) => ClientInput::Stored(place.cursor()),
            Self::TicketRenewed => ClientInput::TicketRenewed("renewed".into()),
            Self::TicketNotRenewed => ClientInput::TicketNotRenewed,
            Self::NetworkChanged => ClientInput::NetworkChanged,
            Self::Stop => ClientInput::Stop,
        }
    }
}

impl ServerStep {
    pub fn input(self) -> ServerInput {
        match self {
            Self::WriteBlocked => ServerInput::WriteBlocked,
            Self::Written => ServerInput::Written,
            Self::Admitted(place) => ServerInput::Admitted(Admission {
                session_id: SessionId::from(Uuid::nil()),
                epoch: place.cursor().epoch,
                head: place.cursor().seq,
                server_time_ms: 0,
            }),
            Self::Refused(code) => ServerInput::Refused(CloseCode::from_wire(code.into())),
            Self::Moved(head, message, flags) => ServerInput::Moved(Notice {
                head: head.seq(),
                message_id: message.map(|id| MessageId::from(Uuid::from_u128(id))),
                flags: NoticeFlags::from_bits(flags),
            }),
            Self::MovedQuietly(head) => ServerInput::MovedQuietly(head.seq()),
            Self::Typing => ServerInput::Typing(Typing {
                conversation_id: ConversationId::from(Uuid::nil()),
                user_id: UserId::from(Uuid::nil()),
            }),
            Self::Displaced(code) => ServerInput::Displaced(CloseCode::from_wire(code.into())),
            Self::Revoked => ServerInput::Revoked,
            Self::EpochChanged => ServerInput::EpochChanged,
            Self::Watch(is_up) => ServerInput::Watch(is_up),
            Self::GoAway { code, min_ms, max_ms, deadline_ms, address } => {
                ServerInput::GoAway(GoAway {
                    code: CloseCode::from_wire(code.into()),
                    reconnect_min_ms: min_ms,
                    reconnect_max_ms: max_ms,
                    address: address.filter(|address| (1..=259).contains(&address.len())),
                    deadline_ms,
                })
            }
        }
    }
}
