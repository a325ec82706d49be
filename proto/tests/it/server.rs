//! The server's end alone, told by hand what the client, the watch and the socket do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nudge_proto::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, MessageId, SessionId, UserId,
    frame::{
        ClientFrame, FrameError, GoAway, Hello, Notice, NoticeFlags, ServerFrame, Typing, Welcome,
    },
    session::{Admission, ServerEffect, ServerInput, ServerLimits, ServerSession},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use crate::{
    clock::{beginning, ms, s},
    heap, strategies,
};

/// A session and the hand that tells it things.
#[derive(Debug)]
struct Server {
    session: ServerSession,
    now: Instant,
}

impl Server {
    fn new() -> Self {
        Self::with(ServerLimits::default())
    }

    fn with(limits: ServerLimits) -> Self {
        let now = beginning();
        Self { session: ServerSession::new(Arc::new(limits), now), now }
    }

    /// The hello came, and waits for its answer.
    fn admitting() -> Self {
        let mut server = Self::new();
        assert_eq!(server.hear(ClientFrame::Hello(hello(0))), [admit(0)]);
        server
    }

    /// Welcomed in epoch 1 with head 10.
    fn open() -> Self {
        let mut server = Self::admitting();
        let said = server.tell(ServerInput::Admitted(admission(10)));
        assert_eq!(said, [ServerEffect::Send(ServerFrame::Welcome(welcome(10, 240)))]);
        server
    }

    /// Sent away a second ago, with nine left.
    fn leaving() -> Self {
        let mut server = Self::open();
        let go_away = go_away(10_000);
        let said = server.tell(ServerInput::GoAway(go_away.clone()));
        assert_eq!(said, [ServerEffect::Send(ServerFrame::GoAway(go_away))]);
        server.pass(s(1));
        server
    }

    /// Open, with a pong that the socket does not take.
    fn blocked() -> Self {
        let mut server = Self::open();
        assert_eq!(server.hear(ClientFrame::Ping), [pong(10)]);
        assert_eq!(server.tell(ServerInput::WriteBlocked), []);
        server
    }

    fn tell(&mut self, input: ServerInput) -> Vec<ServerEffect> {
        self.session.handle(input, self.now);
        self.effects()
    }

    fn hear(&mut self, frame: ClientFrame) -> Vec<ServerEffect> {
        self.tell(ServerInput::Frame(frame))
    }

    fn effects(&mut self) -> Vec<ServerEffect> {
        std::iter::from_fn(|| self.session.poll_effect()).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<ServerEffect> {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.effects()
    }

    fn time_out(&mut self) -> Vec<ServerEffect> {
        self.pass(self.patience())
    }

    fn patience(&self) -> Duration {
        self.session.poll_timeout() - self.now
    }
}

fn hello(heartbeat_s: u32) -> Hello {
    Hello {
        ticket: "ticket".into(),
        cursor: None,
        instance: 1,
        attempt: 1,
        client_name: String::new(),
        client_version: String::new(),
        heartbeat_s,
        network_hint: String::new(),
    }
}

fn admit(heartbeat_s: u32) -> ServerEffect {
    ServerEffect::Admit(Box::new(hello(heartbeat_s)))
}

fn admission(head: u64) -> Admission {
    Admission {
        session_id: SessionId::from(Uuid::nil()),
        epoch: Epoch(1),
        head: InboxSeq(head),
        server_time_ms: 5,
    }
}

fn welcome(head: u64, heartbeat_s: u32) -> Welcome {
    Welcome {
        session_id: SessionId::from(Uuid::nil()),
        epoch: Epoch(1),
        head: InboxSeq(head),
        heartbeat_s,
        server_time_ms: 5,
    }
}

fn notice(head: u64) -> Notice {
    Notice { head: InboxSeq(head), message_id: None, flags: NoticeFlags::MESSAGE }
}

fn typing(user: u128) -> Typing {
    Typing {
        conversation_id: ConversationId::from(Uuid::nil()),
        user_id: UserId::from(Uuid::from_u128(user)),
    }
}

fn go_away(deadline_ms: u32) -> GoAway {
    GoAway {
        code: CloseCode::Draining,
        reconnect_min_ms: 1_000,
        reconnect_max_ms: 30_000,
        address: Some("other:7400".to_owned()),
        deadline_ms,
    }
}

fn ack(epoch: u64, seq: u64) -> ClientFrame {
    ClientFrame::Ack(cursor(epoch, seq))
}

fn cursor(epoch: u64, seq: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch), seq: InboxSeq(seq) }
}

fn pong(head: u64) -> ServerEffect {
    ServerEffect::Send(ServerFrame::Pong { head: Some(InboxSeq(head)) })
}

fn noticed(notice: Notice) -> ServerEffect {
    ServerEffect::Send(ServerFrame::Notice(notice))
}

/// The goodbye with its reason, and nothing after it.
fn closed_with(code: CloseCode) -> [ServerEffect; 2] {
    let goodbye = ServerFrame::Error { code, text: code.text().to_owned() };
    [ServerEffect::Send(goodbye), ServerEffect::Close]
}

mod a_hello {
    use super::*;

    #[test]
    fn that_does_not_come_in_time_closes_the_connection() {
        let mut server = Server::new();
        assert_eq!(server.patience(), s(10));
        assert_eq!(server.pass(ms(9_999)), []);
        assert_eq!(server.pass(ms(1)), closed_with(CloseCode::HelloTimeout));
    }

    #[test]
    fn that_is_not_answered_in_time_closes_the_connection() {
        let mut server = Server::new();
        server.pass(s(4));
        server.hear(ClientFrame::Hello(hello(0)));
        assert_eq!(server.patience(), s(10), "counted from the hello");
        assert_eq!(server.time_out(), closed_with(CloseCode::Unavailable));
        // The answer comes too late.
        assert_eq!(server.tell(ServerInput::Admitted(admission(1))), []);
    }

    #[test]
    fn that_is_refused_closes_the_connection_with_the_code() {
        for code in [
            CloseCode::BadTicket,
            CloseCode::TicketExpired,
            CloseCode::Revoked,
            CloseCode::Superseded,
            CloseCode::TooManyConnections,
        ] {
            let mut server = Server::admitting();
            assert_eq!(server.tell(ServerInput::Refused(code)), closed_with(code));
        }
    }

    #[test]
    fn may_be_refused_before_it_comes() {
        let mut server = Server::new();
        let refused = server.tell(ServerInput::Refused(CloseCode::Overloaded));
        assert_eq!(refused, closed_with(CloseCode::Overloaded));
    }

    #[test]
    fn gets_the_heartbeat_it_wishes_within_the_bounds() {
        for (wish_s, given_s) in [
            (0, 240),
            (1, 30),
            (29, 30),
            (30, 30),
            (300, 300),
            (600, 600),
            (601, 600),
            (u32::MAX, 600),
        ] {
            let mut server = Server::new();
            server.hear(ClientFrame::Hello(hello(wish_s)));
            let said = server.tell(ServerInput::Admitted(admission(0)));
            assert_eq!(said, [ServerEffect::Send(ServerFrame::Welcome(welcome(0, given_s)))]);
            assert_eq!(server.patience(), s(u64::from(given_s)) * 3 / 2);
        }
    }

    #[test]
    fn gets_a_heartbeat_of_a_second_at_least() {
        for (shortest, longest) in [(ms(10), ms(20)), (Duration::ZERO, Duration::ZERO)] {
            let mut server = Server::with(ServerLimits {
                heartbeat_min: shortest,
                heartbeat_max: longest,
                ..ServerLimits::default()
            });
            server.hear(ClientFrame::Hello(hello(0)));
            let said = server.tell(ServerInput::Admitted(admission(0)));
            assert_eq!(said, [ServerEffect::Send(ServerFrame::Welcome(welcome(0, 1)))]);
        }
    }

    #[test]
    fn gets_the_shortest_heartbeat_when_the_longest_is_shorter() {
        let mut server = Server::with(ServerLimits {
            heartbeat_min: s(60),
            heartbeat_max: s(50),
            ..ServerLimits::default()
        });
        server.hear(ClientFrame::Hello(hello(55)));
        let said = server.tell(ServerInput::Admitted(admission(0)));
        assert_eq!(said, [ServerEffect::Send(ServerFrame::Welcome(welcome(0, 60)))]);
    }

    #[test]
    fn is_welcomed_with_whatever_moved_meanwhile() {
        let mut server = Server::admitting();
        assert_eq!(server.tell(ServerInput::Moved(notice(12))), []);
        let said = server.tell(ServerInput::Admitted(admission(10)));
        assert_eq!(said, [ServerEffect::Send(ServerFrame::Welcome(welcome(12, 240)))]);
    }
}

mod a_client_that_breaks_the_protocol {
    use super::*;

    #[track_caller]
    fn is_told(mut server: Server, frame: ClientFrame) {
        assert_eq!(server.hear(frame), closed_with(CloseCode::ProtocolViolation));
        assert_eq!(server.effects(), []);
    }

    #[test]
    fn by_anything_before_the_hello_is_told_so() {
        is_told(Server::new(), ClientFrame::Ping);
        is_told(Server::new(), ack(1, 1));
    }

    #[test]
    fn by_anything_before_the_welcome_is_told_so() {
        is_told(Server::admitting(), ClientFrame::Ping);
        is_told(Server::admitting(), ack(1, 1));
        is_told(Server::admitting(), ClientFrame::Hello(hello(0)));
    }

    #[test]
    fn by_a_second_hello_is_told_so() {
        is_told(Server::open(), ClientFrame::Hello(hello(0)));
        is_told(Server::leaving(), ClientFrame::Hello(hello(0)));
    }

    #[test]
    fn by_what_is_no_frame_is_told_so() {
        for mut server in [Server::new(), Server::admitting(), Server::open(), Server::leaving()] {
            let bad = FrameError::Malformed("?".to_owned());
            let said = server.tell(ServerInput::BadFrame(bad));
            assert_eq!(said, closed_with(CloseCode::ProtocolViolation));
        }
    }

    #[test]
    fn by_a_frame_over_the_limit_is_told_so() {
        let bad = FrameError::TooLarge { length: 4097, limit: 4096 };
        let said = Server::new().tell(ServerInput::BadFrame(bad));
        assert_eq!(said, closed_with(CloseCode::FrameTooLarge));
    }

    #[test]
    fn by_ending_within_a_frame_may_come_back() {
        let said = Server::open().tell(ServerInput::BadFrame(FrameError::CutShort));
        assert_eq!(said, closed_with(CloseCode::CutShort));
        assert!(!CloseCode::CutShort.is_terminal(), "it was something on the way");
    }

    #[test]
    fn before_its_welcome_was_written_never_gets_it() {
        let mut server = Server::admitting();
        server.session.handle(ServerInput::Admitted(admission(10)), server.now);
        let said = server.hear(ClientFrame::Hello(hello(0)));
        assert_eq!(said, closed_with(CloseCode::ProtocolViolation));
    }
}

mod an_ack {
    use super::*;

    #[test]
    fn goes_to_the_store_in_the_epoch_of_the_session() {
        let mut server = Server::open();
        assert_eq!(server.hear(ack(1, 7)), [ServerEffect::Ack(cursor(1, 7))]);
    }

    #[test]
    fn of_another_epoch_goes_nowhere_and_closes_with_epoch_changed() {
        for epoch in [0, 2, u64::MAX] {
            let mut server = Server::open();
            assert_eq!(server.hear(ack(epoch, 7)), closed_with(CloseCode::EpochChanged));
        }
    }

    #[test]
    fn above_the_head_is_for_the_store_to_judge() {
        // The client may have read the inbox further than this node has heard of.
        let mut server = Server::open();
        assert_eq!(server.hear(ack(1, 11)), [ServerEffect::Ack(cursor(1, 11))]);
        assert!(server.session.is_open());
    }

    #[test]
    fn merges_with_others_that_wait_to_the_highest() {
        let mut server = Server::open();
        for seq in [3, 9, 4] {
            server.session.handle(ServerInput::Frame(ack(1, seq)), server.now);
        }
        assert_eq!(server.effects(), [ServerEffect::Ack(cursor(1, 9))]);
    }

    #[test]
    fn counts_even_when_the_client_is_gone_right_after_it() {
        for end in [
            ServerInput::PeerClosed,
            ServerInput::Revoked,
            ServerInput::Frame(ClientFrame::Hello(hello(0))),
        ] {
            let mut server = Server::open();
            server.session.handle(ServerInput::Frame(ack(1, 7)), server.now);
            let effects = server.tell(end);
            assert_eq!(effects[0], ServerEffect::Ack(cursor(1, 7)));
            assert_eq!(effects.last(), Some(&ServerEffect::Close));
        }
    }

    #[test]
    fn does_not_wait_for_a_blocked_socket() {
        let mut server = Server::blocked();
        assert_eq!(server.hear(ack(1, 7)), [ServerEffect::Ack(cursor(1, 7))]);
    }
}

mod the_idle_timeout {
    use super::*;

    #[test]
    fn is_one_and_a_half_heartbeats_without_a_frame() {
        let mut server = Server::open();
        assert_eq!(server.patience(), s(360));
        for frame in [ClientFrame::Ping, ack(1, 1)] {
            server.pass(s(300));
            server.hear(frame);
            assert_eq!(server.patience(), s(360));
        }
        assert_eq!(server.pass(ms(359_999)), []);
        assert_eq!(server.pass(ms(1)), closed_with(CloseCode::IdleTimeout));
    }

    #[test]
    fn is_not_put_off_by_what_the_server_says() {
        let mut server = Server::open();
        server.pass(s(300));
        server.tell(ServerInput::Moved(notice(11)));
        server.tell(ServerInput::Typing(typing(1)));
        assert_eq!(server.patience(), s(60));
    }
}

mod a_notice {
    use super::*;

    #[test]
    fn tells_a_head_that_moved_and_none_that_did_not() {
        let mut server = Server::open();
        assert_eq!(server.tell(ServerInput::Moved(notice(11))), [noticed(notice(11))]);
        for head in [0, 10, 11] {
            assert_eq!(server.tell(ServerInput::Moved(notice(head))), []);
        }
        assert_eq!(server.hear(ClientFrame::Ping), [pong(11)]);
    }

    #[test]
    fn merges_with_all_that_come_while_the_socket_is_blocked() {
        let mut server = Server::blocked();
        let newest = MessageId::from(Uuid::max());
        for head in 11..=5_000 {
            let moved = Notice {
                head: InboxSeq(head),
                message_id: Some(newest).filter(|_| head == 4_000),
                flags: if head == 12 { NoticeFlags::CHANGE } else { NoticeFlags::RECEIPT },
            };
            assert_eq!(server.tell(ServerInput::Moved(moved)), []);
        }
        let merged = Notice {
            head: InboxSeq(5_000),
            message_id: Some(newest),
            flags: NoticeFlags::CHANGE.union(NoticeFlags::RECEIPT),
        };
        assert_eq!(server.tell(ServerInput::Written), [noticed(merged)]);
    }

    #[test]
    fn keeps_the_flags_of_a_late_one() {
        let mut server = Server::blocked();
        server.tell(ServerInput::Moved(notice(20)));
        let late = Notice { flags: NoticeFlags::CHANGE, ..notice(15) };
        server.tell(ServerInput::Moved(late));
        let merged =
            Notice { flags: NoticeFlags::CHANGE.union(NoticeFlags::MESSAGE), ..notice(20) };
        assert_eq!(server.tell(ServerInput::Written), [noticed(merged)]);
    }

    #[test]
    fn tells_the_newest_head_even_if_that_moved_quietly() {
        let mut server = Server::blocked();
        server.tell(ServerInput::Moved(notice(11)));
        server.tell(ServerInput::MovedQuietly(InboxSeq(12)));
        assert_eq!(server.tell(ServerInput::Written), [noticed(notice(12))]);
    }

    #[test]
    fn is_not_given_for_the_device_s_own_doing_but_its_pong_knows() {
        let mut server = Server::open();
        assert_eq!(server.tell(ServerInput::MovedQuietly(InboxSeq(11))), []);
        assert_eq!(server.tell(ServerInput::MovedQuietly(InboxSeq(3))), []);
        assert_eq!(server.hear(ClientFrame::Ping), [pong(11)]);
        assert_eq!(server.tell(ServerInput::Moved(notice(11))), []);
    }
}

mod a_pong {
    use super::*;

    #[test]
    fn answers_each_ping() {
        let mut server = Server::open();
        for _ in 0..3 {
            assert_eq!(server.hear(ClientFrame::Ping), [pong(10)]);
        }
    }

    #[test]
    fn answers_many_pings_that_came_at_once() {
        let mut server = Server::open();
        for _ in 0..1000 {
            server.session.handle(ServerInput::Frame(ClientFrame::Ping), server.now);
        }
        assert_eq!(server.effects(), [pong(10)]);
    }

    #[test]
    fn has_no_head_while_there_is_no_watch() {
        let mut server = Server::open();
        server.tell(ServerInput::Watch(false));
        let unsure = ServerEffect::Send(ServerFrame::Pong { head: None });
        assert_eq!(server.hear(ClientFrame::Ping), [unsure]);
        server.tell(ServerInput::Watch(true));
        assert_eq!(server.hear(ClientFrame::Ping), [pong(10)]);
    }
}

mod typing_of_others {
    use super::*;

    #[test]
    fn waits_as_the_newest_alone_and_comes_last() {
        let mut server = Server::blocked();
        for user in 0..100 {
            server.tell(ServerInput::Typing(typing(user)));
        }
        server.tell(ServerInput::Moved(notice(11)));
        let said = server.tell(ServerInput::Written);
        let typing = ServerEffect::Send(ServerFrame::Typing(typing(99)));
        assert_eq!(said, [noticed(notice(11)), typing]);
    }

    #[test]
    fn is_dropped_unless_the_session_is_open() {
        for mut server in [Server::new(), Server::admitting(), Server::leaving()] {
            assert_eq!(server.tell(ServerInput::Typing(typing(1))), []);
        }
    }
}

mod the_write_deadline {
    use super::*;

    #[test]
    fn ends_a_connection_that_takes_nothing_without_a_word() {
        let mut server = Server::blocked();
        assert_eq!(server.patience(), s(20));
        assert_eq!(server.pass(ms(19_999)), []);
        assert_eq!(server.pass(ms(1)), [ServerEffect::Close]);
    }

    #[test]
    fn is_lifted_once_the_frame_is_taken() {
        let mut server = Server::blocked();
        server.pass(s(19));
        server.tell(ServerInput::Written);
        assert_eq!(server.patience(), s(341));
        assert!(server.session.is_open());
    }

    #[test]
    fn holds_for_the_goodbye_too() {
        let mut server = Server::blocked();
        server.pass(s(15));
        assert_eq!(server.tell(ServerInput::Revoked), [], "the socket is blocked");
        assert_eq!(server.time_out(), [ServerEffect::Close], "at the frame's own deadline");

        let mut server = Server::open();
        server.session.handle(ServerInput::Revoked, server.now);
        assert_eq!(
            server.session.poll_effect().as_ref(),
            Some(&closed_with(CloseCode::Revoked)[0])
        );
        server.session.handle(ServerInput::WriteBlocked, server.now);
        assert_eq!(server.effects(), []);
        assert_eq!(server.patience(), s(20));
        assert_eq!(server.time_out(), [ServerEffect::Close]);
    }

    #[test]
    fn does_not_keep_the_goodbye_from_a_socket_that_takes_it_at_last() {
        let mut server = Server::blocked();
        server.tell(ServerInput::Revoked);
        server.pass(s(5));
        assert_eq!(server.tell(ServerInput::Written), closed_with(CloseCode::Revoked));
    }
}

mod going_away {
    use super::*;

    #[test]
    fn lets_the_client_finish_until_the_deadline() {
        let mut server = Server::leaving();
        assert_eq!(server.patience(), s(9));
        assert_eq!(server.hear(ClientFrame::Ping), [pong(10)]);
        assert_eq!(server.hear(ack(1, 3)), [ServerEffect::Ack(cursor(1, 3))]);
        assert_eq!(server.tell(ServerInput::Moved(notice(11))), [noticed(notice(11))]);
        assert_eq!(server.patience(), s(9), "nothing puts the deadline off");
        assert_eq!(server.time_out(), closed_with(CloseCode::Draining));
    }

    #[test]
    fn closes_at_once_a_client_that_was_not_welcomed_yet() {
        for mut server in [Server::new(), Server::admitting()] {
            let said = server.tell(ServerInput::GoAway(go_away(10_000)));
            let go_away = ServerFrame::GoAway(go_away(10_000));
            assert_eq!(said, [ServerEffect::Send(go_away), ServerEffect::Close]);
        }
    }

    #[test]
    fn is_said_even_when_its_deadline_is_over_before_the_socket_takes_it() {
        let mut server = Server::blocked();
        server.tell(ServerInput::GoAway(go_away(1_000)));
        assert_eq!(server.pass(s(1)), []);
        let said = server.tell(ServerInput::Written);
        assert_eq!(said[0], ServerEffect::Send(ServerFrame::GoAway(go_away(1_000))));
        assert_eq!(said[1..], closed_with(CloseCode::Draining));
    }

    #[test]
    fn is_not_said_to_a_client_that_is_to_stay_away_for_good() {
        let mut server = Server::blocked();
        server.tell(ServerInput::GoAway(go_away(10_000)));
        server.tell(ServerInput::Revoked);
        assert_eq!(server.tell(ServerInput::Written), closed_with(CloseCode::Revoked));
    }
}

mod the_end {
    use super::*;

    #[test]
    fn of_a_displaced_connection_says_by_whom() {
        for code in [CloseCode::Superseded, CloseCode::Replaced] {
            for mut server in [Server::admitting(), Server::open(), Server::leaving()] {
                assert_eq!(server.tell(ServerInput::Displaced(code)), closed_with(code));
            }
        }
    }

    #[test]
    fn of_a_revoked_device_and_of_an_epoch_says_so() {
        for mut server in [Server::admitting(), Server::open(), Server::leaving()] {
            assert_eq!(server.tell(ServerInput::Revoked), closed_with(CloseCode::Revoked));
        }
        let mut server = Server::open();
        assert_eq!(server.tell(ServerInput::EpochChanged), closed_with(CloseCode::EpochChanged));
    }

    #[test]
    fn drops_whatever_waited() {
        let mut server = Server::blocked();
        server.tell(ServerInput::Moved(notice(11)));
        server.tell(ServerInput::Typing(typing(1)));
        server.hear(ClientFrame::Ping);
        server.tell(ServerInput::Revoked);
        assert_eq!(server.tell(ServerInput::Written), closed_with(CloseCode::Revoked));
    }

    #[test]
    fn is_the_last_effect_whatever_comes_after() {
        for end in [ServerInput::PeerClosed, ServerInput::Revoked] {
            let mut server = Server::open();
            assert_eq!(server.tell(end).last(), Some(&ServerEffect::Close));
            for input in [
                ServerInput::Frame(ClientFrame::Ping),
                ServerInput::Frame(ack(1, 9)),
                ServerInput::Moved(notice(20)),
                ServerInput::GoAway(go_away(0)),
                ServerInput::Revoked,
                ServerInput::WriteBlocked,
                ServerInput::Written,
                ServerInput::PeerClosed,
            ] {
                assert_eq!(server.tell(input), []);
            }
            assert_eq!(server.pass(s(1_000)), []);
        }
    }

    #[test]
    fn comes_without_a_word_when_the_client_is_gone() {
        for mut server in [Server::new(), Server::open(), Server::blocked(), Server::leaving()] {
            assert_eq!(server.tell(ServerInput::PeerClosed), [ServerEffect::Close]);
        }
        let mut server = Server::new();
        server.session.handle(ServerInput::Frame(ClientFrame::Hello(hello(0))), server.now);
        assert_eq!(server.tell(ServerInput::PeerClosed), [ServerEffect::Close], "nobody to admit");
    }
}

/// Anything that can be told to a server, in any order.
fn input() -> impl Strategy<Value = ServerInput> {
    let from_client = prop_oneof![
        strategies::hello().prop_map(|hello| ServerInput::Frame(ClientFrame::Hello(hello))),
        (0..3u64, 0..100u64).prop_map(|(epoch, seq)| ServerInput::Frame(ack(epoch, seq))),
        Just(()).prop_map(|()| ServerInput::Frame(ClientFrame::Ping)),
    ];
    let from_socket = prop_oneof![
        Just(()).prop_map(|()| ServerInput::WriteBlocked),
        Just(()).prop_map(|()| ServerInput::Written),
    ];
    let from_watch = prop_oneof![
        (0..100u64).prop_map(|head| ServerInput::Admitted(admission(head))),
        strategies::notice().prop_map(ServerInput::Moved),
        (0..100u64).prop_map(|head| ServerInput::MovedQuietly(InboxSeq(head))),
        strategies::typing().prop_map(ServerInput::Typing),
        any::<bool>().prop_map(ServerInput::Watch),
    ];
    let endings = prop_oneof![
        strategies::close_code().prop_map(ServerInput::Refused),
        strategies::close_code().prop_map(ServerInput::Displaced),
        Just(()).prop_map(|()| ServerInput::Revoked),
        Just(()).prop_map(|()| ServerInput::EpochChanged),
        strategies::go_away().prop_map(ServerInput::GoAway),
        Just(()).prop_map(|()| ServerInput::PeerClosed),
        Just(()).prop_map(|()| ServerInput::BadFrame(FrameError::Malformed(String::new()))),
    ];
    prop_oneof![8 => from_client, 4 => from_socket, 8 => from_watch, 1 => endings]
}

/// From a hello that was admitted on, or from anywhere.
fn inputs() -> impl Strategy<Value = Vec<ServerInput>> {
    let opening = || {
        vec![ServerInput::Frame(ClientFrame::Hello(hello(0))), ServerInput::Admitted(admission(10))]
    };
    (any::<bool>(), vec(input(), 0..80)).prop_map(move |(opens, inputs)| {
        let mut all = if opens { opening() } else { Vec::new() };
        all.extend(inputs);
        all
    })
}

proptest! {
    #[test]
    fn an_idle_connection_ends_at_its_deadlines(inputs in inputs()) {
        let mut server = Server::new();
        let mut closed = false;
        for input in inputs {
            closed |= server.tell(input).contains(&ServerEffect::Close);
        }
        // Whatever happened: with nothing more coming, two deadlines are the most that are left.
        for _ in 0..2 {
            if !closed {
                closed = server.time_out().contains(&ServerEffect::Close);
            }
        }
        prop_assert!(closed, "it stays: {server:?}");
    }

    #[test]
    fn every_deadline_fires_and_a_later_one_follows(inputs in inputs()) {
        let mut server = Server::new();
        for input in inputs {
            let mut effects = server.tell(input);
            let before = server.session.poll_timeout();
            server.now = server.now.max(before);
            server.session.handle_timeout(server.now);
            effects.extend(server.effects());
            if effects.contains(&ServerEffect::Close) {
                return Ok(());
            }
            prop_assert!(server.session.poll_timeout() > before, "a deadline stays: {server:?}");
        }
    }

    #[test]
    fn effects_keep_their_order(inputs in inputs()) {
        let mut server = Server::new();
        let (mut is_blocked, mut is_admitted) = (false, false);
        let (mut welcomes, mut closes, mut admits) = (0, 0, 0);
        let mut told = InboxSeq::ZERO;
        for input in inputs {
            is_blocked |= matches!(input, ServerInput::WriteBlocked);
            is_blocked &= !matches!(input, ServerInput::Written);
            is_admitted |= matches!(input, ServerInput::Admitted(_));
            server.session.handle(input, server.now);
            while let Some(effect) = server.session.poll_effect() {
                prop_assert_eq!(closes, 0, "something after the end: {:?}", effect);
                match effect {
                    ServerEffect::Admit(_) => {
                        admits += 1;
                        prop_assert_eq!(admits, 1);
                    }
                    ServerEffect::Close => closes += 1,
                    ServerEffect::Ack(cursor) => {
                        // The welcome may still wait for the socket.
                        prop_assert!(is_admitted);
                        prop_assert_eq!(cursor.epoch, Epoch(1));
                    }
                    ServerEffect::Send(frame) => {
                        prop_assert!(!is_blocked, "the socket takes nothing: {frame:?}");
                        match frame {
                            ServerFrame::Welcome(welcome) => {
                                welcomes += 1;
                                told = welcome.head;
                                prop_assert_eq!((admits, welcomes), (1, 1));
                            }
                            ServerFrame::Notice(Notice { head, .. })
                            | ServerFrame::Pong { head: Some(head) } => {
                                prop_assert_eq!(welcomes, 1);
                                // A pong may have told it before.
                                prop_assert!(head >= told, "the head went back to {head}");
                                told = head;
                            }
                            ServerFrame::Pong { head: None } | ServerFrame::Typing(_) => {
                                prop_assert_eq!(welcomes, 1);
                            }
                            ServerFrame::GoAway(_) | ServerFrame::Error { .. } => {}
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_server_whose_driver_is_away_holds_one_of_each(inputs in vec(input(), 0..60)) {
        let mut server = Server::open();
        for input in inputs {
            server.session.handle(input, server.now);
        }
        server.session.handle(ServerInput::Written, server.now);
        let effects = server.effects();
        // An ack, go_away or error, pong, notice, typing, close.
        prop_assert!(effects.len() <= 6, "{effects:?}");
    }
}

#[test]
fn p5_a_slow_client_costs_one_integer_however_much_happens() {
    let mut server = Server::blocked();
    server.tell(ServerInput::Typing(typing(0)));
    server.tell(ServerInput::Moved(notice(11)));
    let ((), highest) = heap::highest_during(|| {
        for head in 12..100_000 {
            let news = Notice { message_id: Some(MessageId::from(Uuid::max())), ..notice(head) };
            assert_eq!(server.tell(ServerInput::Moved(news)), []);
            assert_eq!(server.tell(ServerInput::Watch(head % 2 == 0)), []);
            assert_eq!(server.hear(ClientFrame::Ping), []);
        }
    });
    assert_eq!(highest, 0, "bytes on the heap for 100,000 notices");
    for user in 0..1000 {
        let ((), highest) = heap::highest_during(|| {
            assert_eq!(server.tell(ServerInput::Typing(typing(user))), []);
        });
        assert!(highest <= 2 * size_of::<Typing>(), "{highest} bytes for typing");
    }
}

#[test]
fn a_waiting_session_holds_nothing_but_itself() {
    let limits = Arc::new(ServerLimits::default());
    let now = beginning();
    let (session, kept) = heap::kept_after(|| {
        let mut server = Server { session: ServerSession::new(limits, now), now };
        server.hear(ClientFrame::Hello(hello(0)));
        server.tell(ServerInput::Admitted(admission(10)));
        server.tell(ServerInput::Moved(notice(11)));
        server.tell(ServerInput::Typing(typing(1)));
        server.hear(ClientFrame::Ping);
        server.hear(ack(1, 11));
        server.session
    });
    assert_eq!(kept, 0, "bytes on the heap");
    assert!(session.is_open());
    let size = size_of::<ServerSession>();
    assert!(size <= SESSION_BYTES_MAX, "the session itself has {size} bytes");
}

/// A signal node holds one per connection, in a budget of about a kilobyte.
const SESSION_BYTES_MAX: usize = 160;
