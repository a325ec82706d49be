use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Backoff;
use crate::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, FrameError, GoAway, Hello, Notice, ServerFrame, Typing, Welcome},
    limits,
};

/// Who the client is, and how patient.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For the operator's eyes.
    pub client_name: String,
    /// For the operator's eyes.
    pub client_version: String,
    /// Random, chosen once per run of the program.
    pub instance: u64,
    /// The heartbeat to wish for, in seconds; 0 leaves it to the server.
    pub heartbeat_s: u32,
    /// What is known of the network.
    pub network_hint: String,
    /// A connection must stand within this time.
    pub connect_timeout: Duration,
    /// A welcome or a pong must come within this time.
    pub answer_timeout: Duration,
    /// The shortest wait before a new attempt.
    pub reconnect_min: Duration,
    /// The longest wait before a new attempt.
    pub reconnect_max: Duration,
    /// For the jitter.
    pub seed: u64,
}

impl ClientConfig {
    /// The usual patience; `instance` and `seed` are to be random.
    #[must_use]
    pub const fn new(instance: u64, seed: u64) -> Self {
        Self {
            client_name: String::new(),
            client_version: String::new(),
            instance,
            heartbeat_s: 0,
            network_hint: String::new(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: limits::WELCOME_TIMEOUT,
            reconnect_min: Duration::from_millis(250),
            reconnect_max: Duration::from_secs(60),
            seed,
        }
    }
}

/// What happens to a client's session.
#[derive(Debug)]
pub enum ClientInput {
    /// Begin, with this ticket and what is stored already.
    Start {
        /// From the log in.
        ticket: Bytes,
        /// Everything up to here is stored.
        stored: Option<Cursor>,
    },
    /// The connection of the last [`ClientEffect::Connect`] stands.
    Connected,
    /// It does not, or it broke.
    Disconnected,
    /// The server said something.
    Frame(ServerFrame),
    /// The server sent what is no frame.
    BadFrame(FrameError),
    /// Everything up to here is durably stored.
    Stored(Cursor),
    /// The answer to [`ClientEffect::RenewTicket`].
    TicketRenewed(Bytes),
    /// The network came back or changed: do not wait for the backoff.
    NetworkChanged,
    /// End: nothing more will be asked of the driver but to disconnect.
    Stop,
}

/// What the driver of a client's session has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEffect {
    /// Open a connection, to this address if one is given; answer with `Connected` or `Disconnected`.
    Connect {
        /// "host:port"; `None` for the configured one.
        address: Option<String>,
    },
    /// Write the frame.
    Send(ClientFrame),
    /// Close the connection.
    Disconnect,
    /// The session stands.
    Welcomed(Welcome),
    /// The inbox goes further than what is stored: pull it.
    Behind {
        /// The store's epoch; another one than the stored cursor's means reading from 0.
        epoch: Epoch,
        /// As far as is known.
        head: InboxSeq,
    },
    /// The server cannot tell the head: pull the inbox to find out.
    PollInbox,
    /// Somebody is typing.
    Typing(Typing),
    /// The ticket is no longer taken: refresh the session, answer with `TicketRenewed`.
    RenewTicket,
    /// The connection is lost; a new attempt follows by itself after this time.
    Lost {
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// Over, until the user or the app does something.
    Ended(CloseCode),
}

/// A client's end of the signaling, over all connections of one run of the program.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    backoff: Backoff,
    state: State,
    attempt: u32,
    ticket: Bytes,
    /// Renewed since the last welcome: to be refused with it is final.
    ticket_is_fresh: bool,
    stored: Option<Cursor>,
    /// Where the next attempt goes, by the last go_away.
    address: Option<String>,
    effects: VecDeque<ClientEffect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started, stopped, or ended by a terminal code.
    Idle,
    Waiting {
        until: Instant,
    },
    AwaitingTicket,
    Connecting {
        deadline: Instant,
    },
    Greeting {
        deadline: Instant,
    },
    Open(Open),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    epoch: Epoch,
    heartbeat: Duration,
    /// When to ping, unless something else is sent before.
    ping_at: Instant,
    /// When an awaited pong is too late.
    pong_deadline: Option<Instant>,
}

impl ClientSession {
    /// A session that waits for [`ClientInput::Start`].
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let backoff = Backoff::new(config.reconnect_min, config.reconnect_max, config.seed);
        Self {
            config,
            backoff,
            state: State::Idle,
            attempt: 0,
            ticket: Bytes::new(),
            ticket_is_fresh: false,
            stored: None,
            address: None,
            effects: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, input: ClientInput, now: Instant) {
        match input {
            ClientInput::Start { ticket, stored } => {
                self.ticket = ticket;
                self.stored = stored;
                self.connect(now);
            }
            ClientInput::Connected => self.handle_connected(now),
            ClientInput::Disconnected if self.is_connected() => self.wait(now),
            ClientInput::Disconnected => {}
            ClientInput::Frame(frame) => self.handle_frame(frame, now),
            ClientInput::BadFrame(_) => self.drop_connection(now),
            ClientInput::Stored(cursor) => self.handle_stored(cursor, now),
            ClientInput::TicketRenewed(ticket) => self.handle_ticket(ticket, now),
            ClientInput::NetworkChanged => self.handle_network_changed(now),
            ClientInput::Stop => {
                self.disconnect();
                self.state = State::Idle;
            }
        }
    }

    /// Takes in that a deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } if until <= now => self.connect(now),
            State::Connecting { deadline } | State::Greeting { deadline } if deadline <= now => {
                self.drop_connection(now);
            }
            State::Open(open) => match open.pong_deadline {
                Some(deadline) if deadline <= now => self.drop_connection(now),
                None if open.ping_at <= now => self.ping(open, now),
                Some(_) | None => {}
            },
            State::Idle
            | State::AwaitingTicket
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Greeting { .. } => {}
        }
    }

    /// The next thing to do, until there is none.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<ClientEffect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle_timeout`], at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::AwaitingTicket => None,
            State::Waiting { until } => Some(until),
            State::Connecting { deadline } | State::Greeting { deadline } => Some(deadline),
            State::Open(open) => Some(open.pong_deadline.unwrap_or(open.ping_at)),
        }
    }

    /// Whether the server's welcome stands.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn connect(&mut self, now: Instant) {
        self.attempt += 1;
        self.state = State::Connecting { deadline: now + self.config.connect_timeout };
        self.effects.push_back(ClientEffect::Connect { address: self.address.take() });
    }

    fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        self.state = State::Greeting { deadline: now + self.config.answer_timeout };
        let hello = Hello {
            ticket: self.ticket.clone(),
            cursor: self.stored,
            instance: self.config.instance,
            attempt: self.attempt,
            client_name: self.config.client_name.clone(),
            client_version: self.config.client_version.clone(),
            heartbeat_s: self.config.heartbeat_s,
            network_hint: self.config.network_hint.clone(),
        };
        self.effects.push_back(ClientEffect::Send(ClientFrame::Hello(hello)));
    }

    fn handle_frame(&mut self, frame: ServerFrame, now: Instant) {
        match (self.state, frame) {
            (State::Greeting { .. }, ServerFrame::Welcome(welcome)) => {
                self.handle_welcome(welcome, now);
            }
            (State::Open(open), ServerFrame::Notice(Notice { head, .. })) => {
                self.learn_head(open.epoch, head);
            }
            (State::Open(open), ServerFrame::Pong { head }) => {
                self.state = State::Open(Open { pong_deadline: None, ..open });
                match head {
                    Some(head) => self.learn_head(open.epoch, head),
                    None => self.effects.push_back(ClientEffect::PollInbox),
                }
            }
            (State::Open(_), ServerFrame::Typing(typing)) => {
                self.effects.retain(|effect| !matches!(effect, ClientEffect::Typing(_)));
                self.effects.push_back(ClientEffect::Typing(typing));
            }
            (State::Greeting { .. } | State::Open(_), ServerFrame::GoAway(go_away)) => {
                self.handle_go_away(go_away, now);
            }
            (State::Greeting { .. } | State::Open(_), ServerFrame::Error { code, .. }) => {
                self.handle_error(code, now);
            }
            // Late words of a connection that was given up.
            (State::Idle | State::Waiting { .. } | State::AwaitingTicket, _) => {}
            (State::Connecting { .. } | State::Greeting { .. } | State::Open(_), _) => {
                self.drop_connection(now);
            }
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome, now: Instant) {
        self.backoff.reset();
        self.ticket_is_fresh = false;
        let heartbeat = Duration::from_secs(welcome.heartbeat_s.max(1).into());
        // The first ping is early by chance, so that a crowd that came together does not stay so.
        let first = self.backoff.within(heartbeat / 2, heartbeat);
        self.state = State::Open(Open {
            epoch: welcome.epoch,
            heartbeat,
            ping_at: now + first,
            pong_deadline: None,
        });
        self.effects.push_back(ClientEffect::Welcomed(welcome));
        if self.stored.is_some_and(|stored| stored.epoch != welcome.epoch) {
            self.push_behind(welcome.epoch, welcome.head);
        } else {
            self.learn_head(welcome.epoch, welcome.head);
        }
    }

    fn learn_head(&mut self, epoch: Epoch, head: InboxSeq) {
        let stored = self.stored.filter(|stored| stored.epoch == epoch);
        if head > stored.map_or(InboxSeq::ZERO, |stored| stored.seq) {
            self.push_behind(epoch, head);
        }
    }

    fn push_behind(&mut self, epoch: Epoch, head: InboxSeq) {
        self.effects.retain(|effect| !matches!(effect, ClientEffect::Behind { .. }));
        self.effects.push_back(ClientEffect::Behind { epoch, head });
    }

    fn handle_stored(&mut self, cursor: Cursor, now: Instant) {
        let is_news = self
            .stored
            .is_none_or(|stored| stored.epoch != cursor.epoch || stored.seq < cursor.seq);
        if !is_news {
            return;
        }
        self.stored = Some(cursor);
        if let State::Open(open) = &mut self.state
            && open.epoch == cursor.epoch
        {
            open.ping_at = now + open.heartbeat;
            self.effects.push_back(ClientEffect::Send(ClientFrame::Ack(cursor)));
        }
    }

    fn handle_ticket(&mut self, ticket: Bytes, now: Instant) {
        self.ticket = ticket;
        if self.state == State::AwaitingTicket {
            self.ticket_is_fresh = true;
            self.connect(now);
        }
    }

    fn handle_go_away(&mut self, go_away: GoAway, now: Instant) {
        let from = Duration::from_millis(go_away.reconnect_min_ms.into());
        let to = Duration::from_millis(go_away.reconnect_max_ms.into());
        let retry_in = self.backoff.within(from, to);
        self.address = go_away.address;
        self.disconnect();
        self.wait_for(retry_in, now);
    }

    fn handle_error(&mut self, code: CloseCode, now: Instant) {
        self.disconnect();
        let is_about_ticket = matches!(code, CloseCode::BadTicket | CloseCode::TicketExpired);
        if is_about_ticket && !self.ticket_is_fresh {
            self.state = State::AwaitingTicket;
            self.effects.push_back(ClientEffect::RenewTicket);
        } else if code.is_terminal() {
            self.state = State::Idle;
            self.effects.push_back(ClientEffect::Ended(code));
        } else {
            self.wait(now);
        }
    }

    fn handle_network_changed(&mut self, now: Instant) {
        self.backoff.reset();
        match self.state {
            State::Waiting { .. } => self.connect(now),
            // Find out at once whether the connection survived.
            State::Open(open) if open.pong_deadline.is_none() => self.ping(open, now),
            State::Idle
            | State::AwaitingTicket
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Open(_) => {}
        }
    }

    fn ping(&mut self, open: Open, now: Instant) {
        self.effects.push_back(ClientEffect::Send(ClientFrame::Ping));
        self.state = State::Open(Open {
            ping_at: now + open.heartbeat,
            pong_deadline: Some(now + self.config.answer_timeout),
            ..open
        });
    }

    fn drop_connection(&mut self, now: Instant) {
        self.disconnect();
        self.wait(now);
    }

    fn disconnect(&mut self) {
        if self.is_connected() {
            self.effects.push_back(ClientEffect::Disconnect);
        }
    }

    fn wait(&mut self, now: Instant) {
        let retry_in = self.backoff.next().unwrap_or(self.config.reconnect_max);
        self.wait_for(retry_in, now);
    }

    fn wait_for(&mut self, retry_in: Duration, now: Instant) {
        self.state = State::Waiting { until: now + retry_in };
        self.effects.push_back(ClientEffect::Lost { retry_in });
    }

    const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Greeting { .. } | State::Open(_))
    }
}
