//! Connections: bytes in order in both directions, until something happens to them.

use std::time::{Duration, Instant};

use super::{
    World,
    agenda::{Arrival, Event},
};
use crate::clock::ms;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WireId(pub(super) usize);

/// One connection.
pub(super) struct Wire {
    pub(super) program: usize,
    pub(super) upward: Direction,
    pub(super) downward: Direction,
    /// Nothing passes, and nobody is told.
    pub(super) is_frozen: bool,
    /// It was cut: its ends are about to notice.
    pub(super) is_breaking: bool,
}

pub(super) struct Direction {
    /// Of everything that passes; the order stays.
    pub(super) latency: Duration,
    last_arrival: Instant,
    /// After so many more bytes the connection breaks.
    pub(super) cut_after: Option<usize>,
}

impl Direction {
    /// What is on its way arrives by `soon`, and what follows is as fast as any.
    pub(super) fn heal(&mut self, soon: Instant, latency_max: Duration) {
        self.cut_after = None;
        self.latency = self.latency.min(latency_max);
        self.last_arrival = self.last_arrival.min(soon);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

impl World {
    pub(super) fn lay_wire(&mut self, program: usize) -> WireId {
        let longest = self.weather.latency_max;
        let latencies = [self.up_to(longest), self.up_to(longest)];
        let [upward, downward] =
            latencies.map(|latency| Direction { latency, last_arrival: self.now, cut_after: None });
        self.wires.push(Wire { program, upward, downward, is_frozen: false, is_breaking: false });
        WireId(self.wires.len() - 1)
    }

    /// Sends bytes, or the end, on their way.
    pub(super) fn pass(&mut self, wire: WireId, way: Way, arrival: Arrival) {
        if self.wires[wire.0].is_frozen {
            return;
        }
        match arrival {
            Arrival::End => self.pass_whole(wire, way, Arrival::End),
            Arrival::Bytes(bytes) => self.pass_bytes(wire, way, bytes),
        }
    }

    fn pass_bytes(&mut self, wire: WireId, way: Way, mut bytes: Vec<u8>) {
        let direction = self.direction(wire, way);
        let is_cut = match &mut direction.cut_after {
            Some(left) if *left < bytes.len() => {
                bytes.truncate(*left);
                true
            }
            Some(left) => {
                *left -= bytes.len();
                false
            }
            None => false,
        };
        self.note(|| {
            format!("{wire:?} {way:?} {} bytes{}", bytes.len(), if is_cut { ", cut" } else { "" })
        });
        while self.weather.splits && bytes.len() > 1 {
            let rest = bytes.split_off(self.rng.usize(1..bytes.len()));
            self.pass_whole(wire, way, Arrival::Bytes(std::mem::replace(&mut bytes, rest)));
        }
        self.pass_whole(wire, way, Arrival::Bytes(bytes));
        if is_cut {
            self.wires[wire.0].is_breaking = true;
            self.pass_whole(wire, Way::Up, Arrival::End);
            self.pass_whole(wire, Way::Down, Arrival::End);
        }
    }

    fn pass_whole(&mut self, wire: WireId, way: Way, arrival: Arrival) {
        let leaves = self.weather.outage_until.map_or(self.now, |until| until.max(self.now));
        let direction = self.direction(wire, way);
        let at = (leaves + direction.latency).max(direction.last_arrival);
        direction.last_arrival = at;
        self.agenda.put(
            at,
            match way {
                Way::Up => Event::AtServer(wire, arrival),
                Way::Down => Event::AtClient(wire, arrival),
            },
        );
    }

    /// The other end does not know of this connection, and says so.
    pub(super) fn reset(&mut self, wire: WireId, way: Way) {
        self.pass(wire, way, Arrival::End);
    }

    /// A box on the way resets a connection, towards the client alone.
    pub(super) fn reset_client(&mut self) {
        if let Some(wire) = self.wires.len().checked_sub(1) {
            self.wires[wire].is_breaking = true;
            self.agenda.put(self.now, Event::AtClient(WireId(wire), Arrival::End));
        }
    }

    pub(super) fn plan_connect(&mut self, wire: WireId, attempt: u32) {
        let longest = self.weather.latency_max;
        let latency = self.up_to(longest) + ms(1);
        let program = self.wires[wire.0].program;
        match self.weather.outage_until.filter(|until| *until > self.now) {
            // Half of the time the system knows that there is no network.
            Some(_) if self.chance(50) => self.plan(ms(1), Event::NotConnected(program, attempt)),
            Some(until) => self.agenda.put(until + latency, Event::Connected(wire)),
            None => self.plan(latency, Event::Connected(wire)),
        }
    }

    fn direction(&mut self, wire: WireId, way: Way) -> &mut Direction {
        let wire = &mut self.wires[wire.0];
        match way {
            Way::Up => &mut wire.upward,
            Way::Down => &mut wire.downward,
        }
    }
}
