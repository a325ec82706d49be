//! The store with its watch, for one user with one device: as much of it as the session is about.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nudge_proto::{
    CloseCode, ConversationId, Cursor, DeviceId, Epoch, InboxSeq, MessageId, UserId,
    frame::{Hello, Notice, NoticeFlags, Typing},
    limits::TICKET_FRESH_TIME,
    session::ServerInput,
    ticket::{TicketClaims, TicketKey, verify},
};
use uuid::Uuid;

use super::{HEARTBEAT, World, agenda::Event, wire::WireId};
use crate::clock::s;

pub(crate) struct Store {
    pub(crate) epoch: Epoch,
    pub(crate) head: InboxSeq,
    /// The device's mark.
    pub(crate) acked: InboxSeq,
    pub(crate) is_revoked: bool,
    /// The connection that stands for the device.
    pub(super) holder: Option<Holder>,
    /// The newest first; each with the time from which on it is not taken.
    keys: Vec<(TicketKey, Option<Instant>)>,
    /// Acks that were not applied.
    pub(crate) refused: Vec<Cursor>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) wire: WireId,
    instance: u64,
    attempt: u32,
    epoch: Epoch,
}

/// Keys rotate with overlap, longer than a program may need from a renewal to a hello.
pub(crate) const KEY_OVERLAP: Duration = TICKET_FRESH_TIME.saturating_add(s(60));

fn key(id: u32) -> TicketKey {
    TicketKey { id, secret: [id as u8; 32] }
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            epoch: Epoch(1),
            head: InboxSeq::ZERO,
            acked: InboxSeq::ZERO,
            is_revoked: false,
            holder: None,
            keys: vec![(key(1), None)],
            refused: Vec::new(),
        }
    }

    pub(super) fn mint_ticket(&self) -> Bytes {
        let claims = TicketClaims {
            user_id: UserId::from(Uuid::from_u128(1)),
            device_id: DeviceId::from(Uuid::from_u128(2)),
            issued_at_s: 0,
            expires_at_s: u64::MAX,
        };
        self.keys[0].0.mint(&claims).into()
    }

    pub(super) fn rotate_keys(&mut self, now: Instant) {
        self.keys[0].1 = Some(now + KEY_OVERLAP);
        self.keys.insert(0, (key(self.keys.len() as u32 + 1), None));
    }

    pub(super) fn restore(&mut self, entries: u64) {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.head = InboxSeq(self.head.0.saturating_sub(entries));
        self.acked = self.acked.min(self.head);
    }

    /// Acks of another epoch or above the head are refused, never applied.
    pub(super) fn ack(&mut self, cursor: Cursor) {
        if cursor.epoch != self.epoch || cursor.seq > self.head {
            self.refused.push(cursor);
        } else {
            self.acked = self.acked.max(cursor.seq);
        }
    }

    /// Has the connection stand for the device; returns the one that it displaces.
    fn hold(
        &mut self,
        wire: WireId,
        hello: &Hello,
        now: Instant,
    ) -> Result<Option<Holder>, CloseCode> {
        let keys = self.keys.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let keys: Vec<_> = keys.map(|(key, _)| key.clone()).collect();
        verify(&keys, &hello.ticket, 0).map_err(|error| error.code())?;
        if self.is_revoked {
            return Err(CloseCode::Revoked);
        }
        let Hello { instance, attempt, .. } = *hello;
        if let Some(holder) = self.holder
            && holder.instance == instance
            && holder.attempt > attempt
        {
            return Err(CloseCode::Superseded);
        }
        if let Some(cursor) = hello.cursor.filter(|cursor| cursor.epoch == self.epoch) {
            self.ack(cursor);
        }
        Ok(self.holder.replace(Holder { wire, instance, attempt, epoch: self.epoch }))
    }
}

impl World {
    pub(super) fn send(&mut self, count: u64, flags: NoticeFlags) {
        for _ in 0..count {
            self.store.head = self.store.head.next();
            let id = MessageId::from(Uuid::from_u128(self.store.head.0.into()));
            let moved = Notice { head: self.store.head, message_id: Some(id), flags };
            self.publish(moved);
        }
    }

    pub(super) fn send_own(&mut self) {
        self.store.head = self.store.head.next();
        let head = self.store.head;
        if let Some(holder) = self.store.holder.filter(|_| self.weather.watch_is_up) {
            self.tell_later(holder.wire, ServerInput::MovedQuietly(head));
        }
    }

    pub(super) fn type_to_user(&mut self) {
        let typing = Typing {
            conversation_id: ConversationId::from(Uuid::from_u128(3)),
            user_id: UserId::from(Uuid::from_u128(4)),
        };
        if let Some(holder) = self.store.holder.filter(|_| self.weather.watch_is_up) {
            self.tell_later(holder.wire, ServerInput::Typing(typing));
        }
    }

    /// A hello is to be answered.
    pub(super) fn admit(&mut self, wire: WireId, hello: &Hello) {
        if !self.weather.watch_is_up {
            return;
        }
        let answer = match self.store.hold(wire, hello, self.now) {
            Ok(displaced) => {
                if let Some(old) = displaced.filter(|old| old.wire != wire) {
                    let code = if old.instance == hello.instance {
                        CloseCode::Superseded
                    } else {
                        CloseCode::Replaced
                    };
                    self.tell_later(old.wire, ServerInput::Displaced(code));
                }
                ServerInput::Admitted(self.node.admission(self.store.epoch, self.store.head))
            }
            Err(code) => ServerInput::Refused(code),
        };
        self.note(|| format!("{wire:?} attempt {}: {answer:?}", hello.attempt));
        self.tell_later(wire, answer);
    }

    /// The connection is gone, and stands for nobody.
    pub(super) fn release(&mut self, wire: WireId) {
        if self.store.holder.is_some_and(|holder| holder.wire == wire) {
            self.store.holder = None;
        }
    }

    /// Once per heartbeat the head of every held user is told, whatever the bus did.
    pub(super) fn sweep(&mut self) {
        self.plan(HEARTBEAT, Event::Sweep);
        self.tell_head();
    }

    pub(super) fn set_watch(&mut self, is_up: bool) {
        if self.weather.watch_is_up == is_up {
            return;
        }
        self.weather.watch_is_up = is_up;
        self.tell_node(|| ServerInput::Watch(is_up));
        if is_up {
            self.tell_head();
        }
    }

    pub(crate) fn revoke(&mut self) {
        self.store.is_revoked = true;
        if let Some(holder) = self.store.holder {
            self.tell_later(holder.wire, ServerInput::Revoked);
        }
    }

    fn tell_head(&mut self) {
        let Some(holder) = self.store.holder.filter(|_| self.weather.watch_is_up) else { return };
        let news = if holder.epoch == self.store.epoch {
            ServerInput::Moved(Notice { head: self.store.head, ..Notice::default() })
        } else {
            ServerInput::EpochChanged
        };
        self.tell_later(holder.wire, news);
    }

    fn publish(&mut self, moved: Notice) {
        let Some(holder) = self.store.holder.filter(|_| self.weather.watch_is_up) else { return };
        let (loss, double) = (self.weather.bus_loss_percent, self.weather.bus_double_percent);
        // A move of another epoch than the session's says nothing to it.
        if holder.epoch != self.store.epoch || self.chance(loss) {
            return;
        }
        self.tell_later(holder.wire, ServerInput::Moved(moved));
        if self.chance(double) {
            self.tell_later(holder.wire, ServerInput::Moved(moved));
        }
    }

    fn tell_later(&mut self, wire: WireId, input: ServerInput) {
        let longest = self.weather.watch_latency_max;
        let latency = self.up_to(longest);
        self.plan(latency, Event::Told(wire, Box::new(input)));
    }
}
