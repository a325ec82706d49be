//! What will happen, and when.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use nudge_proto::session::ServerInput;

use super::{Page, wire::WireId};

/// Events by time; those of one time happen in the order in which they were planned.
#[derive(Default)]
pub(super) struct Agenda {
    events: BTreeMap<(Instant, u64), Event>,
    planned: u64,
}

pub(super) enum Event {
    /// A connection stands at both ends.
    Connected(WireId),
    /// A program's attempt failed.
    NotConnected(usize, u32),
    AtServer(WireId, Arrival),
    AtClient(WireId, Arrival),
    /// The watch says something to a session.
    Told(WireId, Box<ServerInput>),
    /// Sockets take bytes again.
    Unstalled,
    /// The store's heads are told to the node.
    Sweep,
    /// A program's request for a page is read.
    Read(usize),
    /// And answered; `None` when nobody could be reached.
    Page(usize, Option<Page>),
    /// A new ticket, or that there is none for now.
    Refreshed(usize, Option<Bytes>),
}

/// What comes out of a wire.
pub(super) enum Arrival {
    Bytes(Vec<u8>),
    End,
}

impl Agenda {
    pub(super) fn put(&mut self, at: Instant, event: Event) {
        self.events.insert((at, self.planned), event);
        self.planned += 1;
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Has everything that is on its way arrive by `at`, in its order.
    pub(super) fn hasten(&mut self, at: Instant) {
        for ((planned_at, _), event) in self.events.split_off(&(at, 0)) {
            let at = if matches!(event, Event::Sweep) { planned_at } else { at };
            self.put(at, event);
        }
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        self.events.pop_first().map(|(_, event)| event)
    }
}
