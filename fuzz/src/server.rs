//! A server's end that is watched.

use std::{sync::Arc, time::Instant};

use nudge_proto::{
    Epoch, InboxSeq,
    frame::{Notice, ServerFrame},
    limits::NOTICE_BYTES_MAX,
    session::{ServerEffect, ServerInput, ServerLimits, ServerSession},
};

/// A server's session, and what must hold of it.
#[derive(Debug)]
pub struct WatchedServer {
    session: ServerSession,
    is_blocked: bool,
    is_admitting: bool,
    /// The epoch it was admitted in.
    epoch: Option<Epoch>,
    is_welcomed: bool,
    told: InboxSeq,
    is_closed: bool,
}

impl WatchedServer {
    pub fn new(now: Instant) -> Self {
        Self {
            session: ServerSession::new(Arc::new(ServerLimits::default()), now),
            is_blocked: false,
            is_admitting: false,
            epoch: None,
            is_welcomed: false,
            told: InboxSeq::ZERO,
            is_closed: false,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Tells the session what happened; returns the bytes it writes.
    pub fn handle(&mut self, input: ServerInput, now: Instant) -> Vec<u8> {
        match &input {
            ServerInput::WriteBlocked => self.is_blocked = true,
            ServerInput::Written => self.is_blocked = false,
            ServerInput::Admitted(admission) if self.is_admitting && self.epoch.is_none() => {
                self.epoch = Some(admission.epoch);
            }
            _ => {}
        }
        self.session.handle(input, now);
        self.pump()
    }

    pub fn time_out(&mut self, now: Instant) -> Vec<u8> {
        if self.is_closed {
            return Vec::new();
        }
        let before = self.session.poll_timeout();
        self.session.handle_timeout(now);
        let bytes = self.pump();
        if before <= now {
            let after = self.session.poll_timeout();
            assert!(self.is_closed || after > before, "a deadline does not fire");
        }
        bytes
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_closed).then(|| self.session.poll_timeout())
    }

    fn pump(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(effect) = self.session.poll_effect() {
            assert!(!self.is_closed, "after the end: {effect:?}");
            match effect {
                ServerEffect::Admit(_) => {
                    assert!(!self.is_admitting, "a second hello was taken");
                    self.is_admitting = true;
                }
                ServerEffect::Ack(cursor) => {
                    assert_eq!(Some(cursor.epoch), self.epoch, "an ack of another epoch");
                }
                ServerEffect::Send(frame) => {
                    assert!(!self.is_blocked, "the socket takes nothing: {frame:?}");
                    self.check(&frame);
                    frame.encode(&mut bytes);
                }
                ServerEffect::Close => self.is_closed = true,
            }
        }
        bytes
    }

    fn check(&mut self, frame: &ServerFrame) {
        let bytes = frame.to_bytes();
        assert_eq!(ServerFrame::decode(&bytes).as_ref(), Ok(frame));
        match frame {
            ServerFrame::Welcome(welcome) => {
                assert!(!self.is_welcomed, "a second welcome");
                assert_eq!(Some(welcome.epoch), self.epoch);
                self.is_welcomed = true;
                self.raise_told(welcome.head);
            }
            ServerFrame::Notice(Notice { head, .. }) => {
                assert!(self.is_welcomed && 2 + bytes.len() <= NOTICE_BYTES_MAX);
                self.raise_told(*head);
            }
            ServerFrame::Pong { head } => {
                assert!(self.is_welcomed);
                self.raise_told(head.unwrap_or(self.told));
            }
            ServerFrame::Typing(_) => assert!(self.is_welcomed),
            ServerFrame::GoAway(_) | ServerFrame::Error { .. } => {}
        }
    }

    fn raise_told(&mut self, head: InboxSeq) {
        assert!(head >= self.told, "the head went back from {} to {head}", self.told);
        self.told = head;
    }
}
