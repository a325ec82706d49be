use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    CloseCode, Cursor, Epoch, InboxSeq, SessionId,
    frame::{ClientFrame, FrameError, GoAway, Hello, Notice, ServerFrame, Typing, Welcome},
    limits,
};

/// What a server allows and asks for; shared by all its sessions.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// A hello must arrive within this time.
    pub hello_timeout: Duration,
    /// The node must be able to answer a hello within this time.
    pub admission_timeout: Duration,
    /// A frame must be taken by the socket within this time.
    pub write_timeout: Duration,
    /// The shortest heartbeat given.
    pub heartbeat_min: Duration,
    /// The heartbeat given when the client has no wish.
    pub heartbeat_default: Duration,
    /// The longest heartbeat given.
    pub heartbeat_max: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            hello_timeout: limits::HELLO_TIMEOUT,
            admission_timeout: limits::WELCOME_TIMEOUT / 2,
            write_timeout: limits::WRITE_TIMEOUT,
            heartbeat_min: limits::HEARTBEAT_MIN,
            heartbeat_default: limits::HEARTBEAT_DEFAULT,
            heartbeat_max: limits::HEARTBEAT_MAX,
        }
    }
}

/// What happens to a server's session.
#[derive(Debug)]
pub enum ServerInput {
    /// The client said something.
    Frame(ClientFrame),
    /// The client sent what is no frame.
    BadFrame(FrameError),
    /// The socket did not take the frame of the last [`ServerEffect::Send`] at once.
    WriteBlocked,
    /// The socket took the rest of it.
    Written,
    /// The answer to [`ServerEffect::Admit`].
    Admitted(Admission),
    /// The other answer to [`ServerEffect::Admit`].
    Refused(CloseCode),
    /// The inbox has moved.
    Moved(Notice),
    /// The inbox has moved by this device's own doing: the head is known, no notice is sent.
    MovedQuietly(InboxSeq),
    /// Somebody is typing.
    Typing(Typing),
    /// A newer connection of this device stands: superseded or replaced.
    Displaced(CloseCode),
    /// The device was revoked.
    Revoked,
    /// The store has a new epoch.
    EpochChanged,
    /// Whether the node has a watch.
    Watch(bool),
    /// The node wants the client to go elsewhere.
    GoAway(GoAway),
    /// The connection is gone.
    PeerClosed,
}

/// A client that may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// For logs and support.
    pub session_id: SessionId,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The user's head.
    pub head: InboxSeq,
    /// Milliseconds since 1970.
    pub server_time_ms: u64,
}

/// What the driver of a server's session has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerEffect {
    /// Check the ticket and register with the watch; answer with `Admitted` or `Refused`.
    Admit(Box<Hello>),
    /// Write the frame. When the socket does not take it at once, say `WriteBlocked`, and no other
    /// frame follows until `Written`.
    Send(ServerFrame),
    /// Tell the store that the device has everything up to here.
    Ack(Cursor),
    /// Close the connection; the last effect.
    Close,
}

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
    Closed,
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
        let is_closing = matches!(self.state, State::Closing | State::Closed);
        match input {
            ServerInput::PeerClosed => self.state = State::Closed,
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
            self.state = State::Closed;
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
            State::Closing => self.state = State::Closed,
            State::Closed => {}
        }
    }

    /// The next thing to do, until there is none.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<ServerEffect> {
        if self.state == State::Closed {
            return Some(ServerEffect::Close);
        }
        if let Some(hello) = self.admit.take() {
            return Some(ServerEffect::Admit(hello));
        }
        if let Some(seq) = self.ack.take() {
            return Some(ServerEffect::Ack(Cursor { epoch: self.epoch, seq }));
        }
        if self.write_deadline.is_some() {
            return None;
        }
        if let Some(frame) = self.next_frame() {
            return Some(ServerEffect::Send(frame));
        }
        if self.state == State::Closing {
            self.state = State::Closed;
            return Some(ServerEffect::Close);
        }
        None
    }

    /// When to call [`Self::handle_timeout`], at the latest.
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
                self.handle_ack(cursor);
            }
            (State::Open | State::Leaving, ClientFrame::Ping) => {
                self.keep_alive(now);
                self.pong_is_due = true;
            }
            _ => self.close_with(CloseCode::ProtocolViolation, now),
        }
    }

    /// Acks of another epoch are dropped here; whether one is above the head is the store's to say.
    fn handle_ack(&mut self, cursor: Cursor) {
        if cursor.epoch == self.epoch {
            self.ack = self.ack.max(Some(cursor.seq));
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
            return Some(ServerFrame::Notice(notice));
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
