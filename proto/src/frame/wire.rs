//! Typed frames from and to protobuf.

use bytes::Bytes;
use prost::Message as _;

use super::{
    ClientFrame, FrameError, GoAway, Hello, Notice, NoticeFlags, ServerFrame, Typing, Welcome,
};
use crate::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId,
    limits::{
        ADDRESS_BYTES_MAX, CLIENT_FRAME_BYTES_MAX, ERROR_TEXT_BYTES_MAX, HELLO_TEXT_BYTES_MAX,
        INBOX_SEQ_MAX, SERVER_FRAME_BYTES_MAX,
    },
    pb::signal as pb,
};

impl ClientFrame {
    /// The longest encoding, in bytes.
    pub const BYTES_MAX: usize = CLIENT_FRAME_BYTES_MAX;

    /// Reads one frame from its protobuf.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for anything that is not exactly one client frame within its limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        use pb::client_frame::Frame;

        check_length(bytes.len(), Self::BYTES_MAX)?;
        let frame = pb::ClientFrame::decode(bytes).map_err(malformed)?.frame;
        Ok(match frame.ok_or_else(|| missing("a known frame"))? {
            Frame::Hello(hello) => Self::Hello(decode_hello(hello)?),
            Frame::Ack(ack) => {
                Self::Ack(decode_cursor(ack.cursor.ok_or_else(|| missing("the ack's cursor"))?)?)
            }
            Frame::Ping(pb::Ping {}) => Self::Ping,
        })
    }

    /// Appends the length-prefixed frame to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let frame = pb::ClientFrame { frame: Some(self.to_pb()) };
        encode_prefixed(&frame, out);
    }

    /// The frame's protobuf, without a length prefix.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        pb::ClientFrame { frame: Some(self.to_pb()) }.encode_to_vec()
    }

    fn to_pb(&self) -> pb::client_frame::Frame {
        use pb::client_frame::Frame;

        match self {
            Self::Hello(hello) => Frame::Hello(pb::Hello {
                ticket: hello.ticket.clone(),
                cursor: hello.cursor.map(encode_cursor),
                instance: hello.instance,
                attempt: hello.attempt,
                client_name: cut(&hello.client_name, HELLO_TEXT_BYTES_MAX),
                client_version: cut(&hello.client_version, HELLO_TEXT_BYTES_MAX),
                heartbeat_s: hello.heartbeat_s,
                network_hint: cut(&hello.network_hint, HELLO_TEXT_BYTES_MAX),
            }),
            Self::Ack(cursor) => Frame::Ack(pb::Ack { cursor: Some(encode_cursor(*cursor)) }),
            Self::Ping => Frame::Ping(pb::Ping {}),
        }
    }
}

impl ServerFrame {
    /// The longest encoding, in bytes.
    pub const BYTES_MAX: usize = SERVER_FRAME_BYTES_MAX;

    /// Reads one frame from its protobuf.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for anything that is not exactly one server frame within its limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        use pb::server_frame::Frame;

        check_length(bytes.len(), Self::BYTES_MAX)?;
        let frame = pb::ServerFrame::decode(bytes).map_err(malformed)?.frame;
        Ok(match frame.ok_or_else(|| missing("a known frame"))? {
            Frame::Welcome(welcome) => Self::Welcome(Welcome {
                session_id: SessionId::from_slice(&welcome.session_id).map_err(malformed)?,
                epoch: Epoch(welcome.epoch),
                head: decode_seq(welcome.head)?,
                heartbeat_s: welcome.heartbeat_s,
                server_time_ms: welcome.server_time_ms,
            }),
            Frame::Notice(notice) => Self::Notice(decode_notice(&notice)?),
            Frame::Typing(typing) => Self::Typing(Typing {
                conversation_id: ConversationId::from_slice(&typing.conversation_id)
                    .map_err(malformed)?,
                user_id: UserId::from_slice(&typing.user_id).map_err(malformed)?,
            }),
            Frame::Pong(pong) => Self::Pong { head: pong.head.map(decode_seq).transpose()? },
            Frame::GoAway(go_away) => Self::GoAway(GoAway {
                code: CloseCode::from_wire(go_away.code),
                reconnect_min_ms: go_away.reconnect_min_ms,
                reconnect_max_ms: go_away.reconnect_max_ms,
                address: Some(go_away.address).filter(|address| !address.is_empty()),
                deadline_ms: go_away.deadline_ms,
            }),
            Frame::Error(error) => {
                Self::Error { code: CloseCode::from_wire(error.code), text: error.text }
            }
        })
    }

    /// Appends the length-prefixed frame to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let frame = pb::ServerFrame { frame: Some(self.to_pb()) };
        encode_prefixed(&frame, out);
    }

    /// The frame's protobuf, without a length prefix.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        pb::ServerFrame { frame: Some(self.to_pb()) }.encode_to_vec()
    }

    fn to_pb(&self) -> pb::server_frame::Frame {
        use pb::server_frame::Frame;

        match self {
            Self::Welcome(welcome) => Frame::Welcome(pb::Welcome {
                session_id: Bytes::copy_from_slice(welcome.session_id.as_bytes()),
                epoch: welcome.epoch.0,
                head: welcome.head.0,
                heartbeat_s: welcome.heartbeat_s,
                server_time_ms: welcome.server_time_ms,
            }),
            Self::Notice(notice) => Frame::Notice(pb::Notice {
                head: notice.head.0,
                message_id: encode_message_id(notice.message_id),
                flags: notice.flags.bits(),
            }),
            Self::Typing(typing) => Frame::Typing(pb::Typing {
                conversation_id: Bytes::copy_from_slice(typing.conversation_id.as_bytes()),
                user_id: Bytes::copy_from_slice(typing.user_id.as_bytes()),
            }),
            Self::Pong { head } => Frame::Pong(pb::Pong { head: head.map(|head| head.0) }),
            Self::GoAway(go_away) => Frame::GoAway(pb::GoAway {
                code: go_away.code.to_wire(),
                reconnect_min_ms: go_away.reconnect_min_ms,
                reconnect_max_ms: go_away.reconnect_max_ms,
                address: encode_address(go_away.address.as_deref()),
                deadline_ms: go_away.deadline_ms,
            }),
            Self::Error { code, text } => Frame::Error(pb::Error {
                code: code.to_wire(),
                text: cut(text, ERROR_TEXT_BYTES_MAX),
            }),
        }
    }
}

fn decode_hello(hello: pb::Hello) -> Result<Hello, FrameError> {
    let texts = [&hello.client_name, &hello.client_version, &hello.network_hint];
    if let Some(text) = texts.into_iter().find(|text| text.len() > HELLO_TEXT_BYTES_MAX) {
        return Err(FrameError::Malformed(format!(
            "a text of {} bytes in hello, above the limit of {HELLO_TEXT_BYTES_MAX}",
            text.len()
        )));
    }
    Ok(Hello {
        ticket: hello.ticket,
        cursor: hello.cursor.map(decode_cursor).transpose()?,
        instance: hello.instance,
        attempt: hello.attempt,
        client_name: hello.client_name,
        client_version: hello.client_version,
        heartbeat_s: hello.heartbeat_s,
        network_hint: hello.network_hint,
    })
}

fn decode_notice(notice: &pb::Notice) -> Result<Notice, FrameError> {
    let message_id = match notice.message_id.as_ref() {
        [] => None,
        bytes => Some(MessageId::from_slice(bytes).map_err(malformed)?),
    };
    Ok(Notice {
        head: decode_seq(notice.head)?,
        message_id,
        flags: NoticeFlags::from_bits(notice.flags),
    })
}

fn decode_cursor(cursor: pb::Cursor) -> Result<Cursor, FrameError> {
    Ok(Cursor { epoch: Epoch(cursor.epoch), seq: decode_seq(cursor.seq)? })
}

fn encode_cursor(cursor: Cursor) -> pb::Cursor {
    pb::Cursor { epoch: cursor.epoch.0, seq: cursor.seq.0 }
}

fn decode_seq(seq: u64) -> Result<InboxSeq, FrameError> {
    if seq > INBOX_SEQ_MAX {
        return Err(FrameError::Malformed(format!("the inbox number {seq} is out of range")));
    }
    Ok(InboxSeq(seq))
}

fn encode_message_id(id: Option<MessageId>) -> Bytes {
    id.map(|id| Bytes::copy_from_slice(id.as_bytes())).unwrap_or_default()
}

/// Half an address would lead elsewhere: one over the limit is left out.
fn encode_address(address: Option<&str>) -> String {
    address.filter(|address| address.len() <= ADDRESS_BYTES_MAX).unwrap_or_default().to_owned()
}

fn encode_prefixed(frame: &impl prost::Message, out: &mut Vec<u8>) {
    // A frame over the limit (a hello with an endless ticket) announces itself as one and is refused;
    // a prefix that wrapped around would make frames out of its middle.
    let length = u16::try_from(frame.encoded_len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    frame.encode_raw(out);
}

fn check_length(length: usize, limit: usize) -> Result<(), FrameError> {
    if length > limit { Err(FrameError::TooLarge { length, limit }) } else { Ok(()) }
}

fn malformed(error: impl std::fmt::Display) -> FrameError {
    FrameError::Malformed(error.to_string())
}

fn missing(what: &str) -> FrameError {
    FrameError::Malformed(format!("{what} is missing"))
}

/// The longest prefix of `text` within `limit` bytes that ends at a character.
fn cut(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}
