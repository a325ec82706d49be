//! Arbitrary frames, all within what the types promise.

use nudge_proto::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId,
    frame::{ClientFrame, GoAway, Hello, Notice, NoticeFlags, ServerFrame, Typing, Welcome},
    limits::{ADDRESS_BYTES_MAX, ERROR_TEXT_BYTES_MAX, HELLO_TEXT_BYTES_MAX, INBOX_SEQ_MAX},
};
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    prop_oneof![
        hello().prop_map(ClientFrame::Hello),
        cursor().prop_map(ClientFrame::Ack),
        Just(ClientFrame::Ping),
    ]
}

pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        welcome().prop_map(ServerFrame::Welcome),
        notice().prop_map(ServerFrame::Notice),
        typing().prop_map(ServerFrame::Typing),
        option::of(seq()).prop_map(|head| ServerFrame::Pong { head }),
        go_away().prop_map(ServerFrame::GoAway),
        (close_code(), text(ERROR_TEXT_BYTES_MAX))
            .prop_map(|(code, text)| ServerFrame::Error { code, text }),
    ]
}

pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    let texts = [(); 3].map(|()| text(HELLO_TEXT_BYTES_MAX));
    (
        vec(any::<u8>(), 0..512),
        option::of(cursor()),
        any::<u64>(),
        any::<u32>(),
        texts,
        any::<u32>(),
    )
        .prop_map(|(ticket, cursor, instance, attempt, texts, heartbeat_s)| {
            let [client_name, client_version, network_hint] = texts;
            Hello {
                ticket: ticket.into(),
                cursor,
                instance,
                attempt,
                client_name,
                client_version,
                heartbeat_s,
                network_hint,
            }
        })
}

pub(crate) fn welcome() -> impl Strategy<Value = Welcome> {
    (uuid(), any::<u64>(), seq(), any::<u32>(), any::<u64>()).prop_map(
        |(session, epoch, head, heartbeat_s, server_time_ms)| Welcome {
            session_id: SessionId::from(session),
            epoch: Epoch(epoch),
            head,
            heartbeat_s,
            server_time_ms,
        },
    )
}

pub(crate) fn notice() -> impl Strategy<Value = Notice> {
    (seq(), option::of(uuid()), 0u32..0x80).prop_map(|(head, message, flags)| Notice {
        head,
        message_id: message.map(MessageId::from),
        flags: NoticeFlags::from_bits(flags),
    })
}

pub(crate) fn typing() -> impl Strategy<Value = Typing> {
    (uuid(), uuid()).prop_map(|(conversation, user)| Typing {
        conversation_id: ConversationId::from(conversation),
        user_id: UserId::from(user),
    })
}

pub(crate) fn go_away() -> impl Strategy<Value = GoAway> {
    let address = text(ADDRESS_BYTES_MAX)
        .prop_map(|address| Some(address).filter(|address| !address.is_empty()));
    (close_code(), any::<u32>(), any::<u32>(), address, any::<u32>()).prop_map(
        |(code, reconnect_min_ms, reconnect_max_ms, address, deadline_ms)| GoAway {
            code,
            reconnect_min_ms,
            reconnect_max_ms,
            address,
            deadline_ms,
        },
    )
}

pub(crate) fn close_code() -> impl Strategy<Value = CloseCode> {
    (0u32..4096).prop_map(CloseCode::from_wire)
}

pub(crate) fn cursor() -> impl Strategy<Value = Cursor> {
    (any::<u64>(), seq()).prop_map(|(epoch, seq)| Cursor { epoch: Epoch(epoch), seq })
}

/// Small numbers and both ends of the range more often than chance would have them.
pub(crate) fn seq() -> impl Strategy<Value = InboxSeq> {
    prop_oneof![0..300u64, 0..=INBOX_SEQ_MAX, INBOX_SEQ_MAX - 2..=INBOX_SEQ_MAX].prop_map(InboxSeq)
}

pub(crate) fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid::from_bytes)
}

/// Any text of at most `bytes_max` bytes, characters of several bytes among them.
pub(crate) fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..bytes_max).prop_map(move |letters| {
        let mut text = String::from_iter(letters);
        text.truncate(text.floor_char_boundary(bytes_max));
        text
    })
}
