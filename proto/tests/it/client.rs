//! The client's end alone, told by hand what the network does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nudge_proto::{
    CloseCode, ConversationId, Cursor, Epoch, InboxSeq, SessionId, UserId,
    frame::{ClientFrame, FrameError, GoAway, Hello, Notice, ServerFrame, Typing, Welcome},
    limits::TICKET_FRESH_TIME,
    session::{Backoff, ClientConfig, ClientEffect, ClientInput, ClientSession},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use crate::{
    clock::{beginning, ms, s},
    heap, strategies,
};

const HEARTBEAT_S: u32 = 240;

/// A client and the hand that tells it things.
struct Client {
    session: ClientSession,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        Self::with(config(1))
    }

    fn with(config: ClientConfig) -> Self {
        Self { session: ClientSession::new(config), now: beginning() }
    }

    fn started() -> Self {
        let mut client = Self::new();
        assert_eq!(client.start(None), [CONNECT]);
        client
    }

    fn greeting() -> Self {
        let mut client = Self::started();
        client.tell(ClientInput::Connected);
        client
    }

    /// Welcomed with an empty inbox in epoch 1, and with nothing left to do.
    fn open() -> Self {
        let mut client = Self::greeting();
        let welcome = welcome(1, 0);
        assert_eq!(client.hear(ServerFrame::Welcome(welcome)), [ClientEffect::Welcomed(welcome)]);
        client
    }

    fn start(&mut self, stored: Option<Cursor>) -> Vec<ClientEffect> {
        self.tell(ClientInput::Start { ticket: Bytes::from_static(b"ticket"), stored })
    }

    fn tell(&mut self, input: ClientInput) -> Vec<ClientEffect> {
        self.session.handle(input, self.now);
        self.effects()
    }

    fn hear(&mut self, frame: ServerFrame) -> Vec<ClientEffect> {
        self.tell(ClientInput::Frame(frame))
    }

    fn hear_error(&mut self, code: CloseCode) -> Vec<ClientEffect> {
        self.hear(ServerFrame::Error { code, text: String::new() })
    }

    fn effects(&mut self) -> Vec<ClientEffect> {
        std::iter::from_fn(|| self.session.poll_effect()).collect()
    }

    /// Lets time pass, up to and including the next deadline.
    fn time_out(&mut self) -> Vec<ClientEffect> {
        let deadline = self.session.poll_timeout().expect("a deadline is set");
        self.now = self.now.max(deadline);
        self.session.handle_timeout(self.now);
        self.effects()
    }

    fn pass(&mut self, time: Duration) -> Vec<ClientEffect> {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.effects()
    }

    /// How long until the next deadline.
    fn patience(&self) -> Option<Duration> {
        self.session.poll_timeout().map(|deadline| deadline - self.now)
    }
}

const CONNECT: ClientEffect = ClientEffect::Connect { address: None };

fn config(seed: u64) -> ClientConfig {
    ClientConfig { heartbeat_s: HEARTBEAT_S, ..ClientConfig::new(77, seed) }
}

fn cursor(epoch: u64, seq: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch), seq: InboxSeq(seq) }
}

fn welcome(epoch: u64, head: u64) -> Welcome {
    Welcome {
        session_id: SessionId::from(Uuid::nil()),
        epoch: Epoch(epoch),
        head: InboxSeq(head),
        heartbeat_s: HEARTBEAT_S,
        server_time_ms: 0,
    }
}

fn notice(head: u64) -> ServerFrame {
    ServerFrame::Notice(Notice { head: InboxSeq(head), ..Notice::default() })
}

fn pong(head: u64) -> ServerFrame {
    ServerFrame::Pong { head: Some(InboxSeq(head)) }
}

fn typing() -> Typing {
    Typing {
        conversation_id: ConversationId::from(Uuid::nil()),
        user_id: UserId::from(Uuid::nil()),
    }
}

fn go_away(code: CloseCode, window: std::ops::Range<u32>, address: Option<&str>) -> ServerFrame {
    ServerFrame::GoAway(GoAway {
        code,
        reconnect_min_ms: window.start,
        reconnect_max_ms: window.end,
        address: address.map(str::to_owned),
        deadline_ms: 1_000,
    })
}

fn behind(epoch: u64, head: u64) -> ClientEffect {
    ClientEffect::Behind { epoch: Epoch(epoch), head: InboxSeq(head) }
}

fn ack(epoch: u64, seq: u64) -> ClientEffect {
    ClientEffect::Send(ClientFrame::Ack(cursor(epoch, seq)))
}

fn ping() -> ClientEffect {
    ClientEffect::Send(ClientFrame::Ping)
}

/// The wait that is announced as the connection is lost, after it was closed from this side.
fn wait_after_disconnect(effects: &[ClientEffect]) -> Duration {
    let [ClientEffect::Disconnect, ClientEffect::Lost { retry_in }] = effects else {
        panic!("the client does {effects:?}");
    };
    *retry_in
}

mod connecting {
    use super::*;

    #[test]
    fn the_hello_says_who_connects_and_what_is_stored() {
        let mut client = Client::with(ClientConfig {
            client_name: "app".to_owned(),
            client_version: "1.2".to_owned(),
            network_hint: "wifi".to_owned(),
            ..config(1)
        });
        assert_eq!(client.start(Some(cursor(3, 40))), [CONNECT]);
        let hello = Hello {
            ticket: "ticket".into(),
            cursor: Some(cursor(3, 40)),
            instance: 77,
            attempt: 1,
            client_name: "app".to_owned(),
            client_version: "1.2".to_owned(),
            heartbeat_s: HEARTBEAT_S,
            network_hint: "wifi".to_owned(),
        };
        let said = client.tell(ClientInput::Connected);
        assert_eq!(said, [ClientEffect::Send(ClientFrame::Hello(hello))]);
        assert!(!client.session.is_open());
    }

    #[test]
    fn each_attempt_has_a_higher_number() {
        let mut client = Client::started();
        for attempt in 1..20 {
            let said = client.tell(ClientInput::Connected);
            let [ClientEffect::Send(ClientFrame::Hello(hello))] = &said[..] else {
                panic!("the client says {said:?}");
            };
            assert_eq!((hello.instance, hello.attempt), (77, attempt));
            assert!(matches!(
                client.tell(ClientInput::Disconnected)[..],
                [ClientEffect::Lost { .. }]
            ));
            assert_eq!(client.time_out(), [CONNECT]);
        }
    }

    #[test]
    fn a_connection_that_does_not_come_to_stand_is_given_up() {
        let mut client = Client::started();
        assert_eq!(client.patience(), Some(s(10)));
        assert_eq!(client.pass(ms(9_999)), []);
        wait_after_disconnect(&client.pass(ms(1)));
        // It stands too late: nobody cares.
        assert_eq!(client.tell(ClientInput::Connected), []);
    }

    #[test]
    fn a_welcome_that_does_not_come_is_waited_for_so_long_and_no_longer() {
        let mut client = Client::greeting();
        assert_eq!(client.patience(), Some(s(20)));
        assert_eq!(client.pass(ms(19_999)), []);
        wait_after_disconnect(&client.pass(ms(1)));
    }

    #[test]
    fn starting_again_closes_the_connection_before_it_opens_another() {
        for mut client in [Client::started(), Client::greeting(), Client::open()] {
            assert_eq!(client.start(None), [ClientEffect::Disconnect, CONNECT]);
        }
    }

    #[test]
    fn a_server_that_speaks_before_the_hello_is_given_up() {
        let mut client = Client::started();
        wait_after_disconnect(&client.hear(ServerFrame::Welcome(welcome(1, 0))));
    }

    #[test]
    fn what_is_out_of_turn_ends_the_connection() {
        for frame in [pong(1), notice(1), ServerFrame::Typing(typing())] {
            wait_after_disconnect(&Client::greeting().hear(frame));
        }
        wait_after_disconnect(&Client::open().hear(ServerFrame::Welcome(welcome(1, 0))));
        for mut client in [Client::started(), Client::greeting(), Client::open()] {
            let bad = ClientInput::BadFrame(FrameError::Malformed("?".to_owned()));
            wait_after_disconnect(&client.tell(bad));
        }
    }

    #[test]
    fn late_words_of_a_connection_that_was_given_up_do_nothing() {
        for code in [CloseCode::Overloaded, CloseCode::Revoked, CloseCode::BadTicket] {
            let mut client = Client::open();
            client.hear_error(code);
            let patience = client.patience();
            let bad = || ClientInput::BadFrame(FrameError::Malformed("?".to_owned()));
            for late in [
                bad(),
                ClientInput::Disconnected,
                ClientInput::Connected,
                ClientInput::Frame(notice(9)),
                ClientInput::Frame(pong(9)),
                ClientInput::Frame(ServerFrame::Welcome(welcome(1, 9))),
                ClientInput::Frame(go_away(CloseCode::Draining, 0..1, Some("elsewhere:1"))),
            ] {
                assert_eq!(client.tell(late), [], "after {code:?}");
            }
            assert_eq!(client.patience(), patience);
        }
    }
}

mod the_heartbeat {
    use super::*;

    #[test]
    fn begins_early_by_chance_and_goes_on_evenly() {
        let mut firsts = Vec::new();
        for seed in 0..50 {
            let mut client = Client::with(config(seed));
            client.start(None);
            client.tell(ClientInput::Connected);
            client.hear(ServerFrame::Welcome(welcome(1, 0)));
            let first = client.patience().unwrap();
            assert!((s(120)..=s(240)).contains(&first), "{first:?}");
            firsts.push(first);
            for _ in 0..3 {
                assert_eq!(client.time_out(), [ping()]);
                client.hear(pong(0));
                assert_eq!(client.patience(), Some(s(240)));
            }
        }
        firsts.sort_unstable();
        assert!(firsts[0] < s(130) && firsts[49] > s(230), "a crowd stays together: {firsts:?}");
    }

    #[test]
    fn a_pong_that_does_not_come_ends_the_connection() {
        let mut client = Client::open();
        assert_eq!(client.time_out(), [ping()]);
        assert_eq!(client.patience(), Some(s(20)));
        // Other frames do not stand in for it.
        assert_eq!(client.hear(notice(1)), [behind(1, 1)]);
        assert_eq!(client.pass(ms(19_999)), []);
        wait_after_disconnect(&client.pass(ms(1)));
        assert!(!client.session.is_open());
    }

    #[test]
    fn goes_on_whatever_is_acknowledged() {
        // An ack is not answered: a client that sends many still has to learn the head.
        let mut client = Client::open();
        let first = client.patience().unwrap();
        client.pass(s(60));
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 1))), [ack(1, 1)]);
        assert_eq!(client.patience(), Some(first - s(60)));
        client.time_out();
        client.pass(s(15));
        client.tell(ClientInput::Stored(cursor(1, 2)));
        assert_eq!(client.patience(), Some(s(5)), "the pong is still awaited");
    }

    #[test]
    fn a_pong_without_a_head_means_polling_the_inbox() {
        let mut client = Client::open();
        client.time_out();
        let unsure = ServerFrame::Pong { head: None };
        assert_eq!(client.hear(unsure.clone()), [ClientEffect::PollInbox]);
        client.time_out();
        assert_eq!(client.hear(unsure), [ClientEffect::PollInbox], "at every heartbeat");
    }

    #[test]
    fn a_heartbeat_of_nothing_is_a_second() {
        let mut client = Client::greeting();
        client.hear(ServerFrame::Welcome(Welcome { heartbeat_s: 0, ..welcome(1, 0) }));
        let first = client.patience().unwrap();
        assert!((ms(500)..=s(1)).contains(&first), "{first:?}");
    }

    #[test]
    fn a_heartbeat_of_a_lifetime_does_no_harm() {
        let mut client = Client::greeting();
        client.hear(ServerFrame::Welcome(Welcome { heartbeat_s: u32::MAX, ..welcome(1, 0) }));
        assert!(client.session.is_open());
    }
}

mod the_head {
    use super::*;

    #[test]
    fn is_learned_from_welcome_notice_and_pong() {
        let mut client = Client::greeting();
        let effects = client.hear(ServerFrame::Welcome(welcome(1, 3)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(1, 3)), behind(1, 3)]);
        assert_eq!(client.hear(notice(4)), [behind(1, 4)]);
        assert_eq!(client.hear(pong(5)), [behind(1, 5)]);
    }

    #[test]
    fn that_is_stored_is_no_news() {
        let mut client = Client::open();
        client.tell(ClientInput::Stored(cursor(1, 5)));
        for head in [0, 4, 5] {
            assert_eq!(client.hear(notice(head)), []);
            assert_eq!(client.hear(pong(head)), []);
        }
        assert_eq!(client.hear(notice(6)), [behind(1, 6)]);
    }

    #[test]
    fn of_a_new_epoch_always_means_reading_again() {
        let mut client = Client::new();
        client.start(Some(cursor(1, 500)));
        client.tell(ClientInput::Connected);
        // Even an empty inbox: the old numbers mean nothing.
        let effects = client.hear(ServerFrame::Welcome(welcome(2, 0)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(2, 0)), behind(2, 0)]);
        assert_eq!(client.hear(notice(3)), [behind(2, 3)], "500 was of another epoch");
        assert_eq!(client.tell(ClientInput::Stored(cursor(2, 3))), [ack(2, 3)]);
        assert_eq!(client.hear(pong(3)), []);
    }

    #[test]
    fn below_what_is_stored_means_that_the_server_was_restored_and_is_looked_into() {
        let mut client = Client::new();
        client.start(Some(cursor(1, 500)));
        client.tell(ClientInput::Connected);
        let effects = client.hear(ServerFrame::Welcome(welcome(1, 490)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(1, 490)), ClientEffect::PollInbox]);
    }

    #[test]
    fn moves_on_while_the_driver_is_away_and_is_told_once() {
        let mut client = Client::open();
        for head in 1..1000 {
            client.session.handle(ClientInput::Frame(notice(head)), client.now);
        }
        assert_eq!(client.effects(), [behind(1, 999)]);
    }
}

mod what_is_stored {
    use super::*;

    #[test]
    fn is_acknowledged_and_never_goes_back() {
        let mut client = Client::open();
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 5))), [ack(1, 5)]);
        for seq in [5, 4, 0] {
            assert_eq!(client.tell(ClientInput::Stored(cursor(1, seq))), []);
        }
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 6))), [ack(1, 6)]);
    }

    #[test]
    fn while_there_is_no_connection_is_said_by_the_next_hello() {
        let mut client = Client::started();
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 7))), []);
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 6))), []);
        let said = client.tell(ClientInput::Connected);
        let [ClientEffect::Send(ClientFrame::Hello(hello))] = &said[..] else {
            panic!("the client says {said:?}");
        };
        assert_eq!(hello.cursor, Some(cursor(1, 7)));
        // And is not said twice.
        let effects = client.hear(ServerFrame::Welcome(welcome(1, 7)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(1, 7))]);
    }

    #[test]
    fn while_the_hello_was_on_its_way_is_acknowledged_after_the_welcome() {
        let mut client = Client::greeting();
        assert_eq!(client.tell(ClientInput::Stored(cursor(1, 7))), []);
        let effects = client.hear(ServerFrame::Welcome(welcome(1, 7)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(1, 7)), ack(1, 7)]);
    }

    #[test]
    fn of_another_epoch_than_the_connections_is_not_acknowledged() {
        let mut client = Client::open();
        assert_eq!(client.tell(ClientInput::Stored(cursor(2, 1))), []);
        let mut client = Client::greeting();
        client.tell(ClientInput::Stored(cursor(1, 7)));
        let effects = client.hear(ServerFrame::Welcome(welcome(2, 0)));
        assert_eq!(effects, [ClientEffect::Welcomed(welcome(2, 0)), behind(2, 0)]);
    }

    #[test]
    fn many_times_while_the_driver_is_away_is_acknowledged_once() {
        let mut client = Client::open();
        for seq in 1..1000 {
            client.session.handle(ClientInput::Stored(cursor(1, seq)), client.now);
        }
        assert_eq!(client.effects(), [ack(1, 999)]);
    }
}

mod being_sent_away {
    use super::*;

    #[test]
    fn means_coming_back_within_the_window() {
        let mut waits = Vec::new();
        for seed in 0..200 {
            let mut client = Client::with(config(seed));
            client.start(None);
            client.tell(ClientInput::Connected);
            client.hear(ServerFrame::Welcome(welcome(1, 0)));
            let effects = client.hear(go_away(CloseCode::Draining, 2_000..60_000, None));
            let wait = wait_after_disconnect(&effects);
            assert!((s(2)..=s(60)).contains(&wait), "{wait:?}");
            assert_eq!(client.patience(), Some(wait));
            waits.push(wait);
        }
        // Spread evenly: a quarter of the crowd in each quarter of the window, more or less.
        for quarter in 0..4 {
            let from = ms(2_000 + quarter * 14_500);
            let crowd =
                waits.iter().filter(|wait| (from..from + ms(14_500)).contains(wait)).count();
            assert!((30..70).contains(&crowd), "{crowd} of 200 in quarter {quarter}");
        }
    }

    #[test]
    fn before_the_welcome_means_the_same() {
        let effects = Client::greeting().hear(go_away(CloseCode::Overloaded, 5_000..5_000, None));
        assert_eq!(wait_after_disconnect(&effects), s(5));
    }

    #[test]
    fn with_a_window_of_no_length_means_its_start() {
        for end in [7_000, 0] {
            let window = std::ops::Range { start: 7_000, end };
            let effects = Client::open().hear(go_away(CloseCode::Draining, window, None));
            assert_eq!(wait_after_disconnect(&effects), s(7));
        }
    }

    #[test]
    fn to_an_address_means_trying_it_once() {
        let mut client = Client::open();
        client.hear(go_away(CloseCode::Draining, 0..1_000, Some("other:7400")));
        let there = ClientEffect::Connect { address: Some("other:7400".to_owned()) };
        assert_eq!(client.time_out(), [there]);
        client.tell(ClientInput::Disconnected);
        assert_eq!(client.time_out(), [CONNECT]);
    }

    #[test]
    fn to_an_address_is_forgotten_when_the_session_stops() {
        let mut client = Client::open();
        client.hear(go_away(CloseCode::Draining, 0..1_000, Some("other:7400")));
        client.tell(ClientInput::Stop);
        assert_eq!(client.start(None), [CONNECT]);
    }

    #[test]
    fn is_not_cut_short_by_a_change_of_the_network() {
        let mut client = Client::open();
        client.hear(go_away(CloseCode::Draining, 30_000..30_000, None));
        client.pass(s(10));
        assert_eq!(client.tell(ClientInput::NetworkChanged), []);
        assert_eq!(client.patience(), Some(s(20)));
    }

    #[test]
    fn for_good_means_the_end() {
        let effects = Client::open().hear(go_away(CloseCode::Revoked, 0..1_000, None));
        assert_eq!(effects, [ClientEffect::Disconnect, ClientEffect::Ended(CloseCode::Revoked)]);
    }
}

mod an_error {
    use super::*;

    const RECONNECT: [CloseCode; 11] = [
        CloseCode::Unspecified,
        CloseCode::Draining,
        CloseCode::Overloaded,
        CloseCode::IdleTimeout,
        CloseCode::WriteTimeout,
        CloseCode::Superseded,
        CloseCode::Unavailable,
        CloseCode::EpochChanged,
        CloseCode::HelloTimeout,
        CloseCode::TooManyConnections,
        CloseCode::CutShort,
    ];
    const TERMINAL: [CloseCode; 4] = [
        CloseCode::Revoked,
        CloseCode::Replaced,
        CloseCode::ProtocolViolation,
        CloseCode::FrameTooLarge,
    ];

    #[test]
    fn of_the_reconnect_range_is_retried_after_a_wait() {
        for code in RECONNECT {
            for mut client in [Client::greeting(), Client::open()] {
                let wait = wait_after_disconnect(&client.hear_error(code));
                assert!(wait >= ms(250), "{code:?}: {wait:?}");
                assert_eq!(client.time_out(), [CONNECT]);
            }
        }
    }

    #[test]
    fn of_the_terminal_range_is_never_retried() {
        for code in TERMINAL {
            for mut client in [Client::greeting(), Client::open()] {
                let ended = [ClientEffect::Disconnect, ClientEffect::Ended(code)];
                assert_eq!(client.hear_error(code), ended);
                assert_eq!(client.patience(), None);
                let bad = FrameError::Malformed("?".to_owned());
                for input in [
                    ClientInput::Disconnected,
                    ClientInput::NetworkChanged,
                    ClientInput::BadFrame(bad),
                    ClientInput::Stored(cursor(1, 9)),
                    ClientInput::Frame(notice(9)),
                    ClientInput::TicketRenewed(Bytes::from_static(b"new")),
                    ClientInput::Connected,
                ] {
                    assert_eq!(client.tell(input), [], "{code:?}");
                }
                assert_eq!(client.pass(s(1_000_000)), []);
                // Until the user or the app does something.
                assert_eq!(client.start(None), [CONNECT]);
            }
        }
    }
}

mod a_ticket_that_is_refused {
    use super::*;

    const ABOUT_TICKET: [CloseCode; 2] = [CloseCode::BadTicket, CloseCode::TicketExpired];

    fn refused(code: CloseCode) -> Client {
        let mut client = Client::greeting();
        let renew = [ClientEffect::Disconnect, ClientEffect::RenewTicket];
        assert_eq!(client.hear_error(code), renew);
        client
    }

    fn renew(client: &mut Client) -> Vec<ClientEffect> {
        client.tell(ClientInput::TicketRenewed(Bytes::from_static(b"renewed")))
    }

    #[test]
    fn is_renewed_once_and_used_at_once() {
        for code in ABOUT_TICKET {
            let mut client = refused(code);
            assert_eq!(client.patience(), None);
            assert_eq!(client.pass(s(1_000)), []);
            assert_eq!(renew(&mut client), [CONNECT]);
            let said = client.tell(ClientInput::Connected);
            let [ClientEffect::Send(ClientFrame::Hello(hello))] = &said[..] else {
                panic!("the client says {said:?}");
            };
            assert_eq!((&hello.ticket[..], hello.attempt), (&b"renewed"[..], 2));
        }
    }

    #[test]
    fn is_final_when_it_was_just_renewed() {
        for code in ABOUT_TICKET {
            let mut client = refused(code);
            renew(&mut client);
            // Other troubles on the way do not make it older.
            client.tell(ClientInput::Disconnected);
            client.time_out();
            client.tell(ClientInput::Connected);
            client.hear_error(CloseCode::Unavailable);
            client.time_out();
            client.tell(ClientInput::Connected);
            let ended = [ClientEffect::Disconnect, ClientEffect::Ended(code)];
            assert_eq!(client.hear_error(code), ended);
        }
    }

    #[test]
    fn is_renewed_again_when_it_became_old_before_it_could_be_used() {
        let mut client = refused(CloseCode::TicketExpired);
        renew(&mut client);
        client.tell(ClientInput::Disconnected);
        client.now += TICKET_FRESH_TIME;
        client.time_out();
        client.tell(ClientInput::Connected);
        let again = [ClientEffect::Disconnect, ClientEffect::RenewTicket];
        assert_eq!(client.hear_error(CloseCode::TicketExpired), again);
    }

    #[test]
    fn is_renewed_again_once_the_last_one_was_good() {
        let mut client = refused(CloseCode::TicketExpired);
        renew(&mut client);
        client.tell(ClientInput::Connected);
        client.hear(ServerFrame::Welcome(welcome(1, 0)));
        client.tell(ClientInput::Disconnected);
        client.time_out();
        client.tell(ClientInput::Connected);
        let again = [ClientEffect::Disconnect, ClientEffect::RenewTicket];
        assert_eq!(client.hear_error(CloseCode::TicketExpired), again);
    }

    #[test]
    fn is_renewed_again_after_a_new_start() {
        let mut client = refused(CloseCode::TicketExpired);
        renew(&mut client);
        client.tell(ClientInput::Connected);
        client.hear_error(CloseCode::TicketExpired);
        client.start(None);
        client.tell(ClientInput::Connected);
        let again = [ClientEffect::Disconnect, ClientEffect::RenewTicket];
        assert_eq!(client.hear_error(CloseCode::TicketExpired), again);
    }

    #[test]
    fn waits_for_its_renewal_through_changes_of_the_network() {
        let mut client = refused(CloseCode::BadTicket);
        assert_eq!(client.tell(ClientInput::NetworkChanged), []);
        assert_eq!(client.tell(ClientInput::Disconnected), []);
        assert_eq!(renew(&mut client), [CONNECT]);
    }

    #[test]
    fn is_asked_for_again_when_nobody_could_be_asked() {
        let mut client = refused(CloseCode::TicketExpired);
        for _ in 0..10 {
            assert_eq!(client.tell(ClientInput::TicketNotRenewed), []);
            let patience = client.patience().unwrap();
            assert!((ms(250)..=s(60)).contains(&patience), "{patience:?}");
            assert_eq!(client.tell(ClientInput::TicketNotRenewed), [], "it is said once");
            assert_eq!(client.patience(), Some(patience));
            assert_eq!(client.time_out(), [ClientEffect::RenewTicket]);
            assert_eq!(client.patience(), None);
        }
        client.tell(ClientInput::TicketNotRenewed);
        assert_eq!(client.tell(ClientInput::NetworkChanged), [ClientEffect::RenewTicket]);
        client.tell(ClientInput::TicketNotRenewed);
        assert_eq!(renew(&mut client), [CONNECT]);
        assert_eq!(client.tell(ClientInput::TicketNotRenewed), []);
    }

    #[test]
    fn may_be_renewed_before_anybody_asks() {
        let mut client = Client::started();
        assert_eq!(renew(&mut client), []);
        let said = client.tell(ClientInput::Connected);
        assert!(
            matches!(&said[..], [ClientEffect::Send(ClientFrame::Hello(hello))] if hello.ticket == "renewed")
        );
    }

    #[test]
    fn is_not_used_once_the_session_was_stopped() {
        let mut client = refused(CloseCode::BadTicket);
        client.tell(ClientInput::Stop);
        assert_eq!(renew(&mut client), []);
    }
}

mod the_backoff {
    use super::*;

    #[test]
    fn grows_from_the_shortest_wait_to_the_longest_and_stays_there() {
        let mut waits = Vec::new();
        for seed in 0..100 {
            let mut client = Client::with(config(seed));
            client.start(None);
            let mut previous = ms(250);
            for failure in 0..30 {
                let effects = client.tell(ClientInput::Disconnected);
                let [ClientEffect::Lost { retry_in }] = effects[..] else {
                    panic!("the client does {effects:?}");
                };
                let longest = (previous * 3).min(s(60));
                assert!((ms(250)..=longest).contains(&retry_in), "{retry_in:?} after {previous:?}");
                assert_eq!(client.patience(), Some(retry_in));
                previous = retry_in;
                if failure >= 10 {
                    waits.push(retry_in);
                }
                assert_eq!(client.time_out(), [CONNECT]);
            }
        }
        // Jittered to the end: a crowd does not fall into step, and does not hammer either.
        let average = waits.iter().sum::<Duration>() / waits.len() as u32;
        assert!((s(15)..s(50)).contains(&average), "{average:?}");
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 1000, "only {} different waits", waits.len());
    }

    #[test]
    fn begins_again_after_a_connection_that_was_worth_its_wait() {
        let mut client = client_after_failures(10);
        client.tell(ClientInput::Connected);
        client.hear(ServerFrame::Welcome(welcome(1, 0)));
        client.pass(s(61));
        let [ClientEffect::Lost { retry_in }] = client.tell(ClientInput::Disconnected)[..] else {
            panic!("the loss is not told");
        };
        assert!(retry_in <= ms(750), "{retry_in:?}");
    }

    #[test]
    fn goes_on_when_the_server_welcomes_and_breaks_off() {
        let mut longest = Duration::ZERO;
        let mut client = Client::started();
        for _ in 0..40 {
            client.tell(ClientInput::Connected);
            client.hear(ServerFrame::Welcome(welcome(1, 0)));
            longest = longest.max(wait_after_disconnect(&client.hear_error(CloseCode::Overloaded)));
            client.time_out();
        }
        assert!(longest > s(10), "such a server is asked again after {longest:?} at most");
    }

    #[test]
    fn is_cut_short_by_a_change_of_the_network() {
        let mut client = client_after_failures(10);
        client.tell(ClientInput::Disconnected);
        assert_eq!(client.tell(ClientInput::NetworkChanged), [CONNECT]);
        let [ClientEffect::Lost { retry_in }] = client.tell(ClientInput::Disconnected)[..] else {
            panic!("the loss is not told");
        };
        assert!(retry_in <= ms(750), "{retry_in:?}");
    }

    #[test]
    fn gives_the_same_waits_for_the_same_seed() {
        let waits = |seed| {
            let mut backoff = Backoff::new(ms(10), s(1), seed);
            (0..20).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }

    #[test]
    fn holds_for_any_bounds() {
        for (shortest, longest) in [(ms(0), ms(0)), (s(5), s(1)), (ms(1), Duration::MAX)] {
            let mut backoff = Backoff::new(shortest, longest, 1);
            assert!((0..200).all(|_| backoff.next_wait() <= longest));
            assert!(backoff.latest() <= longest);
        }
    }

    fn client_after_failures(failures: usize) -> Client {
        let mut client = Client::started();
        for _ in 0..failures {
            client.tell(ClientInput::Disconnected);
            client.time_out();
        }
        client
    }
}

mod a_change_of_the_network {
    use super::*;

    #[test]
    fn has_an_open_connection_prove_itself_at_once() {
        let mut client = Client::open();
        assert_eq!(client.tell(ClientInput::NetworkChanged), [ping()]);
        assert_eq!(client.patience(), Some(s(20)));
        assert_eq!(client.tell(ClientInput::NetworkChanged), [], "it is proving itself already");
        assert_eq!(client.patience(), Some(s(20)));
    }

    #[test]
    fn leaves_an_attempt_alone() {
        for mut client in [Client::started(), Client::greeting(), Client::new()] {
            let patience = client.patience();
            assert_eq!(client.tell(ClientInput::NetworkChanged), []);
            assert_eq!(client.patience(), patience);
        }
    }
}

mod stopping {
    use super::*;

    #[test]
    fn closes_the_connection_and_does_nothing_more() {
        for mut client in [Client::started(), Client::greeting(), Client::open()] {
            assert_eq!(client.tell(ClientInput::Stop), [ClientEffect::Disconnect]);
            assert_eq!(client.patience(), None);
            assert_eq!(client.tell(ClientInput::NetworkChanged), []);
            assert_eq!(client.pass(s(1_000)), []);
        }
    }

    #[test]
    fn withdraws_what_the_driver_has_not_done_yet() {
        let mut client = Client::open();
        client.session.handle(ClientInput::Stored(cursor(1, 1)), client.now);
        client.session.handle(ClientInput::Frame(notice(2)), client.now);
        assert_eq!(client.tell(ClientInput::Stop), [ClientEffect::Disconnect]);

        let mut client = Client::open();
        let refused = ServerFrame::Error { code: CloseCode::BadTicket, text: String::new() };
        client.session.handle(ClientInput::Frame(refused), client.now);
        assert_eq!(client.tell(ClientInput::Stop), [ClientEffect::Disconnect]);
    }

    #[test]
    fn when_nothing_was_started_does_nothing() {
        assert_eq!(Client::new().tell(ClientInput::Stop), []);
    }
}

#[test]
fn somebody_typing_is_told_as_the_newest_alone() {
    let mut client = Client::open();
    for _ in 0..10 {
        client.session.handle(ClientInput::Frame(ServerFrame::Typing(typing())), client.now);
    }
    assert_eq!(client.effects(), [ClientEffect::Typing(typing())]);
}

#[test]
fn printing_the_session_and_its_inputs_leaves_the_ticket_out() {
    let mut client = Client::new();
    let ticket = Bytes::from_static(b"s3cret");
    let start = ClientInput::Start { ticket: ticket.clone(), stored: None };
    let printed = format!("{start:?} {:?}", ClientInput::TicketRenewed(ticket));
    assert!(!printed.contains("s3cret"), "{printed}");
    client.session.handle(start, client.now);
    let printed = format!("{:?}", client.session);
    assert!(printed.starts_with("ClientSession") && !printed.contains("s3cret"), "{printed}");
}

/// Anything that can be told to a client.
fn input() -> impl Strategy<Value = ClientInput> {
    let often = prop_oneof![
        Just(()).prop_map(|()| ClientInput::Connected),
        strategies::server_frame().prop_map(ClientInput::Frame),
    ];
    let seldom = prop_oneof![
        Just(()).prop_map(|()| ClientInput::Start { ticket: "ticket".into(), stored: None }),
        Just(()).prop_map(|()| ClientInput::Disconnected),
        Just(()).prop_map(|()| ClientInput::BadFrame(FrameError::Malformed(String::new()))),
        (0..3u64, 0..100u64).prop_map(|(epoch, seq)| ClientInput::Stored(cursor(epoch, seq))),
        Just(()).prop_map(|()| ClientInput::TicketRenewed("renewed".into())),
        Just(()).prop_map(|()| ClientInput::TicketNotRenewed),
        Just(()).prop_map(|()| ClientInput::NetworkChanged),
        Just(()).prop_map(|()| ClientInput::Stop),
    ];
    prop_oneof![3 => often, 2 => seldom]
}

proptest! {
    #[test]
    fn every_deadline_fires_and_a_later_one_follows(
        inputs in vec((input(), 0..100_000u64), 0..60),
    ) {
        let mut client = Client::started();
        for (input, wait_ms) in inputs {
            client.tell(input);
            if client.patience().is_some_and(|patience| patience <= ms(wait_ms)) {
                let before = client.session.poll_timeout();
                client.time_out();
                prop_assert!(client.session.poll_timeout() > before, "a deadline stays: {client:?}");
            } else {
                client.now += ms(wait_ms);
            }
        }
    }

    #[test]
    fn a_client_whose_driver_is_away_holds_one_effect_of_each_kind(
        inputs in vec(input(), 0..60),
    ) {
        let mut client = Client::started();
        for input in inputs {
            client.session.handle(input, client.now);
        }
        let effects = client.effects();
        prop_assert!(effects.len() <= 12, "{effects:?}");
    }

    #[test]
    fn a_client_connects_only_when_no_connection_is_left_open(
        inputs in vec((input(), any::<bool>()), 0..100),
    ) {
        let mut client = Client::started();
        let mut is_connected = true;
        for (input, time_out) in inputs {
            // As the driver promises: nothing is told of a connection that is not there.
            let is_of_connection = matches!(
                input,
                ClientInput::Connected | ClientInput::Disconnected | ClientInput::Frame(_)
                    | ClientInput::BadFrame(_)
            );
            if is_of_connection && !is_connected {
                continue;
            }
            is_connected &= !matches!(input, ClientInput::Disconnected);
            let mut effects = client.tell(input);
            if time_out && client.session.poll_timeout().is_some() {
                effects.extend(client.time_out());
            }
            for effect in effects {
                match effect {
                    ClientEffect::Connect { .. } => {
                        prop_assert!(!is_connected, "a second connection");
                        is_connected = true;
                    }
                    ClientEffect::Disconnect => {
                        prop_assert!(is_connected, "nothing to disconnect");
                        is_connected = false;
                    }
                    ClientEffect::Send(_) => prop_assert!(is_connected, "nobody to say it to"),
                    ClientEffect::Welcomed(_)
                    | ClientEffect::Behind { .. }
                    | ClientEffect::PollInbox
                    | ClientEffect::Typing(_)
                    | ClientEffect::RenewTicket
                    | ClientEffect::Lost { .. }
                    | ClientEffect::Ended(_) => {}
                }
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.session.fmt(formatter)
    }
}

#[test]
fn a_client_holds_a_bounded_number_of_bytes_whatever_the_server_sends() {
    let longest = ServerFrame::Error { code: CloseCode::Overloaded, text: "x".repeat(256) };
    let ((), highest) = heap::highest_during(|| {
        let mut client = Client::open();
        for head in 0..20_000 {
            let frames = [
                notice(head),
                pong(head),
                ServerFrame::Pong { head: None },
                ServerFrame::Typing(typing()),
            ];
            for frame in frames {
                client.session.handle(ClientInput::Frame(frame), client.now);
            }
            client.session.handle(ClientInput::Stored(cursor(1, head)), client.now);
        }
        client.session.handle(ClientInput::Frame(longest), client.now);
    });
    assert!(highest < 8 * 1024, "{highest} bytes were held");
}
