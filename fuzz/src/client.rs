//! A client's end that is watched.

use std::time::Instant;

use nudge_proto::{
    Cursor, Epoch,
    frame::ClientFrame,
    session::{ClientConfig, ClientEffect, ClientInput, ClientSession},
};

/// At most one effect of each kind waits: ten kinds, and three kinds of frames.
const EFFECTS_MAX: usize = 12;

/// A client's session, and what must hold of it.
#[derive(Debug)]
pub struct WatchedClient {
    session: ClientSession,
    connection: Connection,
    attempts: u32,
    said: Option<Cursor>,
    /// Of what is stored.
    epoch: Option<Epoch>,
    has_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    None,
    Opening,
    Open,
}

/// What a driver has to do about the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Connect,
    Say(Vec<u8>),
    Disconnect,
}

impl WatchedClient {
    pub fn new(instance: u64) -> Self {
        Self {
            session: ClientSession::new(ClientConfig::new(instance, instance)),
            connection: Connection::None,
            attempts: 0,
            said: None,
            epoch: None,
            has_ended: false,
        }
    }

    pub fn is_opening(&self) -> bool {
        self.connection == Connection::Opening
    }

    pub fn is_connected(&self) -> bool {
        self.connection == Connection::Open
    }

    /// Tells the session what happened, if a driver would: nothing of a connection that is on its way
    /// but whether it stands.
    pub fn handle(&mut self, input: ClientInput, now: Instant) -> Vec<Wish> {
        let is_of_connection = matches!(
            input,
            ClientInput::Connected
                | ClientInput::Disconnected
                | ClientInput::Frame(_)
                | ClientInput::BadFrame(_)
        );
        if is_of_connection && self.connection == Connection::None {
            self.hear_late(input, now);
            return Vec::new();
        }
        match &input {
            ClientInput::Connected if self.is_connected() => return Vec::new(),
            ClientInput::Connected => self.connection = Connection::Open,
            ClientInput::Disconnected => self.connection = Connection::None,
            ClientInput::Frame(_) | ClientInput::BadFrame(_) if self.is_opening() => {
                return Vec::new();
            }
            ClientInput::Start { stored, .. } => {
                // Another start may know less: the state was put back.
                self.said = *stored;
                self.epoch = stored.map(|stored| stored.epoch);
                self.has_ended = false;
            }
            ClientInput::Stored(cursor) if self.epoch != Some(cursor.epoch) => {
                // The app reads another history: numbers begin again.
                self.said = None;
                self.epoch = Some(cursor.epoch);
            }
            _ => {}
        }
        let is_start = matches!(input, ClientInput::Start { .. });
        self.session.handle(input, now);
        let wishes = self.pump();
        assert!(!self.has_ended || !wishes.contains(&Wish::Connect), "it comes back after its end");
        assert!(!is_start || wishes.contains(&Wish::Connect), "a start does not connect");
        wishes
    }

    /// What is still heard of a connection that was given up changes nothing.
    fn hear_late(&mut self, input: ClientInput, now: Instant) {
        let before = self.deadline();
        self.session.handle(input, now);
        assert_eq!(self.pump(), [], "late words are acted on");
        assert_eq!(self.deadline(), before);
    }

    /// Lets the next deadline pass, if it is due.
    pub fn time_out(&mut self, now: Instant) -> Vec<Wish> {
        let before = self.session.poll_timeout();
        self.session.handle_timeout(now);
        let wishes = self.pump();
        if let Some(before) = before.filter(|before| *before <= now) {
            let after = self.session.poll_timeout();
            assert!(after.is_none_or(|after| after > before), "a deadline does not fire");
        }
        wishes
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    fn pump(&mut self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let mut effects = 0;
        while let Some(effect) = self.session.poll_effect() {
            effects += 1;
            assert!(effects <= EFFECTS_MAX, "more than one effect of a kind: {effect:?}");
            match effect {
                ClientEffect::Connect { .. } => {
                    assert_eq!(self.connection, Connection::None, "a second connection");
                    self.connection = Connection::Opening;
                    self.attempts += 1;
                    wishes.push(Wish::Connect);
                }
                ClientEffect::Disconnect => {
                    assert_ne!(self.connection, Connection::None, "nothing to disconnect");
                    self.connection = Connection::None;
                    wishes.push(Wish::Disconnect);
                }
                ClientEffect::Send(frame) => {
                    assert_eq!(self.connection, Connection::Open, "nobody hears {frame:?}");
                    self.check(&frame);
                    let mut bytes = Vec::new();
                    frame.encode(&mut bytes);
                    wishes.push(Wish::Say(bytes));
                }
                ClientEffect::Ended(code) => {
                    assert!(code.is_terminal(), "{code:?} is no reason to end");
                    assert_eq!(self.session.poll_timeout(), None);
                    self.has_ended = true;
                }
                ClientEffect::Welcomed(_)
                | ClientEffect::Behind { .. }
                | ClientEffect::PollInbox
                | ClientEffect::Typing(_)
                | ClientEffect::RenewTicket
                | ClientEffect::Lost { .. } => {}
            }
        }
        wishes
    }

    fn check(&mut self, frame: &ClientFrame) {
        let cursor = match frame {
            ClientFrame::Hello(hello) => {
                assert_eq!(hello.attempt, self.attempts);
                hello.cursor
            }
            ClientFrame::Ack(cursor) => Some(*cursor),
            ClientFrame::Ping => None,
        };
        if let Some(cursor) = cursor {
            let said = self.said.filter(|said| said.epoch == cursor.epoch);
            assert!(said.is_none_or(|said| cursor.seq >= said.seq), "{cursor} after {said:?}");
            self.said = Some(cursor);
        }
    }
}
