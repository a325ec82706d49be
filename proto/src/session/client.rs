mod config;
mod effect;
mod input;

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::effect::Effects;
use super::Backoff;
use crate::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, GoAway, Hello, Notice, ServerFrame, Welcome},
    limits,
};

pub use config::ClientConfig;
pub use effect::ClientEffect;
pub use input::ClientInput;

/// A client's end of the signaling, over all connections of one run of the program.
pub struct ClientSession {
    config: ClientConfig,
    backoff: Backoff,
    state: State,
    attempt: u32,
    ticket: Bytes,
    /// Set while it was renewed since the last welcome: to be refused with it soon is final.
    ticket_renewed_at: Option<Instant>,
    stored: Option<Cursor>,
    /// Where the next attempt goes, by the last go_away.
    address: Option<String>,
    effects: Effects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started, stopped, or ended by a terminal code.
    Idle,
    /// For the backoff.
    Waiting {
        until: Instant,
    },
    /// For a time in the window that the server gave: nothing shortens it.
    SentAway {
        until: Instant,
    },
    AwaitingTicket,
    /// For the backoff, before the ticket is asked for again.
    WithoutTicket {
        until: Instant,
    },
    Connecting {
        deadline: Instant,
    },
    Greeting {
        deadline: Instant,
        /// What the hello said is stored.
        said: Option<Cursor>,
    },
    Open(Open),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    epoch: Epoch,
    heartbeat: Duration,
    /// When to ping: every heartbeat, whatever else is said, for only a pong tells the head.
    ping_at: Instant,
    /// When an awaited pong is too late.
    pong_deadline: Option<Instant>,
    /// From then on the connection has outlasted the wait before it, and the backoff may begin again.
    proven_at: Instant,
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
            ticket_renewed_at: None,
            stored: None,
            address: None,
            effects: Effects::default(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, input: ClientInput, now: Instant) {
        match input {
            ClientInput::Start { ticket, stored } => self.handle_start(ticket, stored, now),
            ClientInput::Connected => self.handle_connected(now),
            ClientInput::Disconnected if self.is_connected() => self.wait(now),
            ClientInput::Frame(frame) => self.handle_frame(frame, now),
            ClientInput::BadFrame(_) if self.is_connected() => self.drop_connection(now),
            // Late news of a connection that was given up.
            ClientInput::Disconnected | ClientInput::BadFrame(_) => {}
            ClientInput::Stored(cursor) => self.handle_stored(cursor),
            ClientInput::TicketRenewed(ticket) => self.handle_ticket(ticket, now),
            ClientInput::TicketNotRenewed => self.handle_no_ticket(now),
            ClientInput::NetworkChanged => self.handle_network_changed(now),
            ClientInput::Stop => self.handle_stop(),
        }
    }

    /// Takes in that a deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } | State::SentAway { until } if until <= now => {
                self.connect(now);
            }
            State::WithoutTicket { until } if until <= now => self.renew_ticket(),
            State::Connecting { deadline } | State::Greeting { deadline, .. }
                if deadline <= now =>
            {
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
            | State::SentAway { .. }
            | State::WithoutTicket { .. }
            | State::Connecting { .. }
            | State::Greeting { .. } => {}
        }
    }

    /// The next thing to do, until there is none.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<ClientEffect> {
        self.effects.pop()
    }

    /// When to call [`Self::handle_timeout`], at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::AwaitingTicket => None,
            State::Waiting { until }
            | State::SentAway { until }
            | State::WithoutTicket { until } => Some(until),
            State::Connecting { deadline } | State::Greeting { deadline, .. } => Some(deadline),
            State::Open(open) => Some(open.pong_deadline.unwrap_or(open.ping_at)),
        }
    }

    /// Whether the server's welcome stands.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn handle_start(&mut self, ticket: Bytes, stored: Option<Cursor>, now: Instant) {
        self.disconnect();
        self.ticket = ticket;
        self.ticket_renewed_at = None;
        self.stored = stored;
        self.connect(now);
    }

    fn handle_stop(&mut self) {
        self.disconnect();
        self.effects.keep_disconnect();
        self.address = None;
        self.state = State::Idle;
    }

    fn connect(&mut self, now: Instant) {
        self.attempt = self.attempt.saturating_add(1);
        self.state = State::Connecting { deadline: now + self.config.connect_timeout };
        self.effects.push(ClientEffect::Connect { address: self.address.take() });
    }

    fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        let deadline = now + self.config.answer_timeout;
        self.state = State::Greeting { deadline, said: self.stored };
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
        self.effects.push(ClientEffect::Send(ClientFrame::Hello(hello)));
    }

    fn handle_frame(&mut self, frame: ServerFrame, now: Instant) {
        match (self.state, frame) {
            (State::Greeting { said, .. }, ServerFrame::Welcome(welcome)) => {
                self.handle_welcome(welcome, said, now);
            }
            (State::Open(open), ServerFrame::Notice(Notice { head, .. })) => {
                self.learn_head(open.epoch, head);
            }
            (State::Open(open), ServerFrame::Pong { head }) => {
                self.state = State::Open(Open { pong_deadline: None, ..open });
                match head {
                    Some(head) => self.learn_head(open.epoch, head),
                    None => self.effects.push(ClientEffect::PollInbox),
                }
            }
            (State::Open(_), ServerFrame::Typing(typing)) => {
                self.effects.push(ClientEffect::Typing(typing));
            }
            (State::Greeting { .. } | State::Open(_), ServerFrame::GoAway(go_away)) => {
                self.handle_go_away(go_away, now);
            }
            (State::Greeting { .. } | State::Open(_), ServerFrame::Error { code, .. }) => {
                self.handle_error(code, now);
            }
            // Late words of a connection that was given up.
            (
                State::Idle
                | State::Waiting { .. }
                | State::SentAway { .. }
                | State::AwaitingTicket
                | State::WithoutTicket { .. },
                _,
            ) => {}
            (State::Connecting { .. } | State::Greeting { .. } | State::Open(_), _) => {
                self.drop_connection(now);
            }
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome, said: Option<Cursor>, now: Instant) {
        self.ticket_renewed_at = None;
        let heartbeat = Duration::from_secs(welcome.heartbeat_s.max(1).into());
        // The first ping is early by chance, so that a crowd that came together does not stay so.
        let first = self.backoff.within(heartbeat / 2, heartbeat);
        let open = Open {
            epoch: welcome.epoch,
            heartbeat,
            ping_at: now + first,
            pong_deadline: None,
            proven_at: now + self.backoff.latest(),
        };
        self.state = State::Open(open);
        self.effects.push(ClientEffect::Welcomed(welcome));
        if self.stored.is_some_and(|stored| stored.epoch != welcome.epoch) {
            self.push_behind(welcome.epoch, welcome.head);
        } else if self.stored.is_some_and(|stored| stored.seq > welcome.head) {
            // More is stored here than the server has: it was restored, and the inbox says so.
            self.effects.push(ClientEffect::PollInbox);
        } else {
            self.learn_head(welcome.epoch, welcome.head);
        }
        // What was stored while the hello was on its way.
        if let Some(stored) = self.stored.filter(|_| self.stored != said) {
            self.acknowledge(stored, open);
        }
    }

    fn learn_head(&mut self, epoch: Epoch, head: InboxSeq) {
        let stored = self.stored.filter(|stored| stored.epoch == epoch);
        if head > stored.map_or(InboxSeq::ZERO, |stored| stored.seq) {
            self.push_behind(epoch, head);
        }
    }

    fn push_behind(&mut self, epoch: Epoch, head: InboxSeq) {
        self.effects.push(ClientEffect::Behind { epoch, head });
    }

    fn handle_stored(&mut self, cursor: Cursor) {
        let is_news = self
            .stored
            .is_none_or(|stored| stored.epoch != cursor.epoch || stored.seq < cursor.seq);
        if !is_news {
            return;
        }
        self.stored = Some(cursor);
        if let State::Open(open) = self.state {
            self.acknowledge(cursor, open);
        }
    }

    /// A cursor of another epoch than the connection's would only be refused.
    fn acknowledge(&mut self, cursor: Cursor, open: Open) {
        if cursor.epoch == open.epoch {
            self.effects.push(ClientEffect::Send(ClientFrame::Ack(cursor)));
        }
    }

    fn handle_ticket(&mut self, ticket: Bytes, now: Instant) {
        self.ticket = ticket;
        if matches!(self.state, State::AwaitingTicket | State::WithoutTicket { .. }) {
            self.ticket_renewed_at = Some(now);
            self.connect(now);
        }
    }

    fn handle_no_ticket(&mut self, now: Instant) {
        if self.state == State::AwaitingTicket {
            self.state = State::WithoutTicket { until: now + self.backoff.next_wait() };
        }
    }

    fn renew_ticket(&mut self) {
        self.state = State::AwaitingTicket;
        self.effects.push(ClientEffect::RenewTicket);
    }

    fn handle_go_away(&mut self, go_away: GoAway, now: Instant) {
        if go_away.code.is_terminal() {
            // There is no coming back from these, whatever window is given.
            self.handle_error(go_away.code, now);
            return;
        }
        let from = Duration::from_millis(go_away.reconnect_min_ms.into());
        let to = Duration::from_millis(go_away.reconnect_max_ms.into());
        let retry_in = self.backoff.within(from, to);
        self.address = go_away.address;
        self.disconnect();
        self.settle_backoff(now);
        self.state = State::SentAway { until: now + retry_in };
        self.effects.push(ClientEffect::Lost { retry_in });
    }

    fn handle_error(&mut self, code: CloseCode, now: Instant) {
        self.disconnect();
        let is_about_ticket = matches!(code, CloseCode::BadTicket | CloseCode::TicketExpired);
        let is_fresh =
            self.ticket_renewed_at.is_some_and(|at| now < at + limits::TICKET_FRESH_TIME);
        if is_about_ticket && !is_fresh {
            self.renew_ticket();
        } else if code.is_terminal() {
            self.state = State::Idle;
            self.effects.push(ClientEffect::Ended(code));
        } else {
            self.wait(now);
        }
    }

    fn handle_network_changed(&mut self, now: Instant) {
        self.backoff.reset();
        match self.state {
            State::Waiting { .. } => self.connect(now),
            State::WithoutTicket { .. } => self.renew_ticket(),
            // Find out at once whether the connection survived.
            State::Open(open) if open.pong_deadline.is_none() => self.ping(open, now),
            State::Idle
            | State::SentAway { .. }
            | State::AwaitingTicket
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Open(_) => {}
        }
    }

    fn ping(&mut self, open: Open, now: Instant) {
        self.effects.push(ClientEffect::Send(ClientFrame::Ping));
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
            self.effects.push(ClientEffect::Disconnect);
        }
    }

    fn wait(&mut self, now: Instant) {
        self.settle_backoff(now);
        let retry_in = self.backoff.next_wait();
        self.state = State::Waiting { until: now + retry_in };
        self.effects.push(ClientEffect::Lost { retry_in });
    }

    /// Begins the backoff again if the connection that ends here was worth its wait. A server that
    /// welcomes and breaks off is left alone ever longer.
    fn settle_backoff(&mut self, now: Instant) {
        if let State::Open(open) = self.state
            && open.proven_at <= now
        {
            self.backoff.reset();
        }
    }

    const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Greeting { .. } | State::Open(_))
    }
}

impl fmt::Debug for ClientSession {
    /// Leaves the ticket out: it is a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientSession")
            .field("state", &self.state)
            .field("attempt", &self.attempt)
            .field("stored", &self.stored)
            .field("address", &self.address)
            .field("effects", &self.effects)
            .finish_non_exhaustive()
    }
}
