mod effect;
mod input;
mod limits;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, GoAway, Hello, Notice, ServerFrame, Typing, Welcome},
};

pub use effect::ServerEffect;
pub use input::{Admission, ServerInput};
pub use limits::ServerLimits;

/// A server's end of one connection.
#[derive(Debug)]
pub struct ServerSession {
    limits: Arc<ServerLimits>,
    state: State,
    /// When the state has lasted too long.
    state_deadline: Instant,
    /// When a frame that the socket did not take has waited too long.
    write_deadline: Option<Instant>,
    epoch: Epoch,
    head: InboxSeq,
    heartbeat_s: u32,
    watch_is_up: bool,
    pong_is_due: bool,
    /// Said before the connection closes.
    error: Option<CloseCode>,
    admit: Option<Box<Hello>>,
    ack: Option<InboxSeq>,
    welcome: Option<Box<Welcome>>,
    notice: Option<Notice>,
    typing: Option<Box<Typing>>,
    go_away: Option<Box<GoAway>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingHello,
    Admitting,
    Open,
    /// Told to go away; closes at the deadline.
    Leaving,
    /// Nothing is taken in any more; closes once what is outstanding is written.
    Closing,
    /// Nothing is written any more either.
    Closed,
    /// The driver knows.
    Over,
}

impl ServerSession {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(limits: Arc<ServerLimits>, now: Instant) -> Self {
        let state_deadline = now + limits.hello_timeout;
        Self {
            limits,
            state: State::AwaitingHello,
            state_deadline,
            write_deadline: None,
            epoch: Epoch(0),
            head: InboxSeq::ZERO,
            heartbeat_s: 0,
            watch_is_up: true,
            pong_is_due: false,
            error: None,
            admit: None,
            ack: None,
            welcome: None,
            notice: None,
            typing: None,
            go_away: None,
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, input: ServerInput, now: Instant) {
        let is_closing = matches!(self.state, State::Closing | State::Closed | State::Over);
        match input {
            ServerInput::PeerClosed => self.close_now(),
            ServerInput::WriteBlocked => {
                self.write_deadline = Some(now + self.limits.write_timeout)
            }
            ServerInput::Written => self.write_deadline = None,
            _ if is_closing => {}
            ServerInput::Frame(frame) => self.handle_frame(frame, now),
            ServerInput::BadFrame(error) => self.close_with(error.code(), now),
            ServerInput::Admitted(admission) => self.handle_admitted(&admission, now),
            ServerInput::Refused(code) | ServerInput::Displaced(code) => self.close_with(code, now),
            ServerInput::Moved(notice) => self.handle_moved(notice),
            ServerInput::MovedQuietly(head) => self.head = self.head.max(head),
            ServerInput::Typing(typing) => self.handle_typing(typing),
            ServerInput::Revoked => self.close_with(CloseCode::Revoked, now),
            ServerInput::EpochChanged => self.close_with(CloseCode::EpochChanged, now),
            ServerInput::Watch(is_up) => self.watch_is_up = is_up,
            ServerInput::GoAway(go_away) => self.handle_go_away(go_away, now),
        }
    }

    /// Takes in that a deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.write_deadline.is_some_and(|deadline| deadline <= now) {
            // A peer that takes nothing will not take the reason either.
            self.close_now();
            return;
        }
        if self.state_deadline > now {
            return;
        }
        match self.state {
            State::AwaitingHello => self.close_with(CloseCode::HelloTimeout, now),
            State::Admitting => self.close_with(CloseCode::Unavailable, now),
            State::Open => self.close_with(CloseCode::IdleTimeout, now),
            State::Leaving => self.close_with(CloseCode::Draining, now),
            State::Closing | State::Closed | State::Over => self.close_now(),
        }
    }

    /// The next thing to do, until there is none.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<ServerEffect> {
        if let Some(hello) = self.admit.take() {
            return Some(ServerEffect::Admit(hello));
        }
        if let Some(seq) = self.ack.take() {
            return Some(ServerEffect::Ack(Cursor { epoch: self.epoch, seq }));
        }
        if matches!(self.state, State::Closed | State::Over) {
            return self.take_close();
        }
        if self.write_deadline.is_some() {
            return None;
        }
        if let Some(frame) = self.next_frame() {
            return Some(ServerEffect::Send(frame));
        }
        if self.state == State::Closing { self.take_close() } else { None }
    }

    /// When to call [`Self::handle_timeout`], at the latest; of no meaning after `Close`.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.write_deadline.map_or(self.state_deadline, |write| write.min(self.state_deadline))
    }

    /// Whether the client was welcomed and is not being closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Leaving)
    }

    fn handle_frame(&mut self, frame: ClientFrame, now: Instant) {
        match (self.state, frame) {
            (State::AwaitingHello, ClientFrame::Hello(hello)) => {
                self.heartbeat_s = self.heartbeat_for(hello.heartbeat_s);
                self.state = State::Admitting;
                self.state_deadline = now + self.limits.admission_timeout;
                self.admit = Some(Box::new(hello));
            }
            (State::Open | State::Leaving, ClientFrame::Ack(cursor)) => {
                self.keep_alive(now);
                self.handle_ack(cursor, now);
            }
            (State::Open | State::Leaving, ClientFrame::Ping) => {
                self.keep_alive(now);
                self.pong_is_due = true;
            }
            _ => self.close_with(CloseCode::ProtocolViolation, now),
        }
    }

    /// Whether an ack is above the head is the store's to say: this head may be late.
    fn handle_ack(&mut self, cursor: Cursor, now: Instant) {
        if cursor.epoch == self.epoch {
            self.ack = self.ack.max(Some(cursor.seq));
        } else {
            // Either side may have heard of a restored store first; a new welcome settles it.
            self.close_with(CloseCode::EpochChanged, now);
        }
    }

    fn handle_admitted(&mut self, admission: &Admission, now: Instant) {
        if self.state != State::Admitting {
            return;
        }
        self.state = State::Open;
        self.epoch = admission.epoch;
        // Whatever moved up to this head is said by the welcome.
        self.notice = None;
        self.head = self.head.max(admission.head);
        self.keep_alive(now);
        self.welcome = Some(Box::new(Welcome {
            session_id: admission.session_id,
            epoch: admission.epoch,
            head: self.head,
            heartbeat_s: self.heartbeat_s,
            server_time_ms: admission.server_time_ms,
        }));
    }

    fn handle_moved(&mut self, notice: Notice) {
        if notice.head > self.head {
            self.head = notice.head;
            self.notice.get_or_insert_default().merge(notice);
        } else if let Some(pending) = &mut self.notice {
            pending.merge(notice);
        }
    }

    fn handle_typing(&mut self, typing: Typing) {
        if self.state == State::Open {
            self.typing = Some(Box::new(typing));
        }
    }

    fn handle_go_away(&mut self, go_away: GoAway, now: Instant) {
        let deadline = now + Duration::from_millis(go_away.deadline_ms.into());
        self.go_away = Some(Box::new(go_away));
        if self.is_open() {
            self.state = State::Leaving;
            self.state_deadline = deadline;
        } else {
            self.start_closing(now);
        }
    }

    fn close_with(&mut self, code: CloseCode, now: Instant) {
        if code.is_terminal() {
            // Nobody is to come back.
            self.go_away = None;
        }
        self.error = Some(code);
        self.start_closing(now);
    }

    /// From here on nothing is taken in, and the goodbye gets one write timeout.
    fn start_closing(&mut self, now: Instant) {
        self.state = State::Closing;
        self.state_deadline = now + self.limits.write_timeout;
        self.admit = None;
        self.welcome = None;
        self.notice = None;
        self.typing = None;
        self.pong_is_due = false;
    }

    /// What is outstanding will not be written; an ack still counts.
    fn close_now(&mut self) {
        if self.state != State::Over {
            self.state = State::Closed;
        }
        self.admit = None;
    }

    fn take_close(&mut self) -> Option<ServerEffect> {
        let is_news = self.state != State::Over;
        self.state = State::Over;
        is_news.then_some(ServerEffect::Close)
    }

    fn next_frame(&mut self) -> Option<ServerFrame> {
        if let Some(welcome) = self.welcome.take() {
            return Some(ServerFrame::Welcome(*welcome));
        }
        if let Some(go_away) = self.go_away.take() {
            return Some(ServerFrame::GoAway(*go_away));
        }
        if let Some(code) = self.error.take() {
            return Some(ServerFrame::Error { code, text: code.text().to_owned() });
        }
        if !self.is_open() {
            return None;
        }
        if std::mem::take(&mut self.pong_is_due) {
            return Some(ServerFrame::Pong { head: self.watch_is_up.then_some(self.head) });
        }
        if let Some(notice) = self.notice.take() {
            // The head may have moved quietly since.
            return Some(ServerFrame::Notice(Notice { head: self.head, ..notice }));
        }
        self.typing.take().map(|typing| ServerFrame::Typing(*typing))
    }

    /// A client that is leaving has its deadline already.
    fn keep_alive(&mut self, now: Instant) {
        if self.state == State::Open {
            let heartbeat = Duration::from_secs(self.heartbeat_s.into());
            self.state_deadline = now + heartbeat + heartbeat / 2;
        }
    }

    fn heartbeat_for(&self, wish_s: u32) -> u32 {
        let wish = match wish_s {
            0 => self.limits.heartbeat_default,
            wish_s => Duration::from_secs(wish_s.into()),
        };
        let longest = self.limits.heartbeat_max.max(self.limits.heartbeat_min);
        wish.clamp(self.limits.heartbeat_min, longest).as_secs().max(1) as u32
    }
}
