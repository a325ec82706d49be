//! The bytes on the wire, pinned: other programs are written from the schema alone.
//!
//! Each line is a frame as it travels over TCP, its two bytes of length first.

use nudge_proto::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId,
    frame::{
        ClientFrame, FrameDecoder, GoAway, Hello, Notice, NoticeFlags, ServerFrame, Typing, Welcome,
    },
    limits::{INBOX_SEQ_MAX, NOTICE_BYTES_MAX},
};
use uuid::Uuid;

#[test]
fn client_frames_are_pinned() {
    for (frame, wire) in [
        (ClientFrame::Hello(full_hello()), HELLO),
        (ClientFrame::Hello(least_hello()), LEAST_HELLO),
        (ClientFrame::Ack(cursor(3, 300)), "0009 12 07 0a 05 08 03 10 ac02"),
        (ClientFrame::Ping, "0002 1a 00"),
    ] {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(hex::encode(&bytes), compact(wire), "{frame:?}");
        assert_eq!(ClientFrame::decode(&unprefixed(wire)), Ok(frame));
    }
}

#[test]
fn server_frames_are_pinned() {
    for (frame, wire) in [
        (ServerFrame::Welcome(full_welcome()), WELCOME),
        (ServerFrame::Notice(notice(300, Some(MESSAGE), 5)), NOTICE),
        (ServerFrame::Notice(notice(1, None, 0)), "0004 12 02 08 01"),
        (ServerFrame::Typing(typing()), TYPING),
        (ServerFrame::Pong { head: Some(InboxSeq(300)) }, "0005 22 03 08 ac02"),
        (ServerFrame::Pong { head: Some(InboxSeq(0)) }, "0004 22 02 08 00"),
        (ServerFrame::Pong { head: None }, "0002 22 00"),
        (ServerFrame::GoAway(full_go_away()), GO_AWAY),
        (ServerFrame::GoAway(least_go_away()), "0005 2a 03 08 b817"),
        (
            ServerFrame::Error { code: CloseCode::Revoked, text: "out".to_owned() },
            "000a 32 08 08 ae1b 12 03 6f7574",
        ),
    ] {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(hex::encode(&bytes), compact(wire), "{frame:?}");
        assert_eq!(ServerFrame::decode(&unprefixed(wire)), Ok(frame));
    }
}

#[test]
fn a_notice_at_its_maximum_takes_exactly_its_limit() {
    let most = notice(INBOX_SEQ_MAX, Some(Uuid::max()), u32::MAX);
    let mut bytes = Vec::new();
    ServerFrame::Notice(most).encode(&mut bytes);
    let wire = "001e 12 1c 08 ffffffffffff7f 12 10 ffffffffffffffffffffffffffffffff 18 7f";
    assert_eq!(hex::encode(&bytes), compact(wire));
    assert_eq!(bytes.len(), NOTICE_BYTES_MAX);
    // One more would not fit, and is no inbox number.
    let beyond = notice(INBOX_SEQ_MAX + 1, Some(Uuid::max()), u32::MAX);
    let bytes = ServerFrame::Notice(beyond).to_bytes();
    assert_eq!(2 + bytes.len(), NOTICE_BYTES_MAX + 1);
    let error = ServerFrame::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "not a frame: the inbox number 562949953421312 is out of range");
}

#[test]
fn a_message_transport_carries_the_same_bytes_without_the_length() {
    let client = ClientFrame::Hello(full_hello());
    assert_eq!(client.to_bytes(), unprefixed(HELLO));
    let server = ServerFrame::Welcome(full_welcome());
    assert_eq!(server.to_bytes(), unprefixed(WELCOME));
}

#[test]
fn frames_follow_each_other_without_anything_between() {
    let mut bytes = Vec::new();
    let said = [ClientFrame::Ping, ClientFrame::Ack(cursor(1, 1)), ClientFrame::Ping];
    for frame in &said {
        frame.encode(&mut bytes);
    }
    assert_eq!(
        hex::encode(&bytes),
        compact("0002 1a 00  0008 12 06 0a 04 08 01 10 01  0002 1a 00")
    );
    let mut decoder = FrameDecoder::default();
    let mut input = &bytes[..];
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame(&mut input, ClientFrame::BYTES_MAX).unwrap() {
        frames.push(ClientFrame::decode(&frame).unwrap());
    }
    assert_eq!(frames, said);
}

#[test]
fn fields_of_a_later_version_are_passed_over() {
    // A hello with a field 99 and a varint field 100 behind the known ones.
    let mut hello = unprefixed(LEAST_HELLO);
    let later = hex::decode("9a060178a00601").unwrap();
    hello[1] += later.len() as u8;
    hello.extend_from_slice(&later);
    assert_eq!(ClientFrame::decode(&hello), Ok(ClientFrame::Hello(least_hello())));
}

/// Ticket "ticket", cursor 3.300, instance 0x0102030405060708, attempt 9, texts, heartbeat 240.
const HELLO: &str = "002f 0a 2d 0a 06 7469636b6574 12 05 08 03 10 ac02 19 0807060504030201 20 09 \
                     2a 03 617070 32 03 312e32 38 f001 42 04 77696669";

/// What a client has to say at least, with no ticket yet: instance and attempt.
const LEAST_HELLO: &str = "000d 0a 0b 19 0807060504030201 20 01";

/// Session 5e, epoch 3, head 300, heartbeat 240, server time 1764000000000.
const WELCOME: &str = "0023 0a 21 0a 10 0000000000000000000000000000005e 10 03 18 ac02 20 f001 \
                       28 80d0dfb4ab33";
/// Head 300, a message, flags 5.
const NOTICE: &str = "0019 12 17 08 ac02 12 10 00112233445566778899aabbccddeeff 18 05";
const TYPING: &str = "0026 1a 24 0a 10 000000000000000000000000000000c0 \
                      12 10 000000000000000000000000000000a1";
/// Draining, 1,000 to 30,000 ms, "b:7400", closed after 5,000 ms.
const GO_AWAY: &str = "0017 2a 15 08 b817 10 e807 18 b0ea01 22 06 623a37343030 28 8827";

const MESSAGE: Uuid = Uuid::from_u128(0x00112233445566778899aabbccddeeff);

fn full_hello() -> Hello {
    Hello {
        ticket: "ticket".into(),
        cursor: Some(cursor(3, 300)),
        instance: 0x0102030405060708,
        attempt: 9,
        client_name: "app".to_owned(),
        client_version: "1.2".to_owned(),
        heartbeat_s: 240,
        network_hint: "wifi".to_owned(),
    }
}

fn least_hello() -> Hello {
    Hello {
        ticket: "".into(),
        cursor: None,
        instance: 0x0102030405060708,
        attempt: 1,
        client_name: String::new(),
        client_version: String::new(),
        heartbeat_s: 0,
        network_hint: String::new(),
    }
}

fn full_welcome() -> Welcome {
    Welcome {
        session_id: SessionId::from(Uuid::from_u128(0x5e)),
        epoch: Epoch(3),
        head: InboxSeq(300),
        heartbeat_s: 240,
        server_time_ms: 1_764_000_000_000,
    }
}

fn notice(head: u64, message: Option<Uuid>, flags: u32) -> Notice {
    Notice {
        head: InboxSeq(head),
        message_id: message.map(MessageId::from),
        flags: NoticeFlags::from_bits(flags),
    }
}

fn typing() -> Typing {
    Typing {
        conversation_id: ConversationId::from(Uuid::from_u128(0xc0)),
        user_id: UserId::from(Uuid::from_u128(0xa1)),
    }
}

fn full_go_away() -> GoAway {
    GoAway {
        code: CloseCode::Draining,
        reconnect_min_ms: 1_000,
        reconnect_max_ms: 30_000,
        address: Some("b:7400".to_owned()),
        deadline_ms: 5_000,
    }
}

fn least_go_away() -> GoAway {
    GoAway {
        code: CloseCode::Draining,
        reconnect_min_ms: 0,
        reconnect_max_ms: 0,
        address: None,
        deadline_ms: 0,
    }
}

fn cursor(epoch: u64, seq: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch), seq: InboxSeq(seq) }
}

fn compact(hex: &str) -> String {
    hex.replace(' ', "")
}

fn unprefixed(hex: &str) -> Vec<u8> {
    hex::decode(compact(hex)).unwrap()[2..].to_vec()
}
