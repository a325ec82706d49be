//! Which of a device's connections is the newer one, as far as that is certain.

use nudge_proto::{
    CloseCode, DeviceId, UserId,
    watch::{Hold, Known},
};

use crate::{bus::Connection, store::Point};

/// All that tells when a connection came.
///
/// Within a run of the client's program its attempts are numbered. Between runs only the store's points tell:
/// whoever has a point at or below the floor of another, which is the newest that the other's node knew when
/// it came, was there before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    instance: u64,
    attempt: u32,
    came: Came,
    /// The newest point that was known when it came.
    floor: Point,
    /// Its own, once it has one.
    point: Option<Point>,
}

/// When a session came to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// With its hello.
    Now,
    /// Nobody knows how long after it: its signal node had no watch, or another one.
    Late,
}

impl Arrival {
    pub(super) fn new(hold: &Hold) -> Self {
        let point = |known: Known| Point { epoch: known.epoch, generation: known.generation };
        let is_late = hold.late || hold.known.is_some();
        Self {
            instance: hold.instance,
            attempt: hold.attempt,
            came: if is_late { Came::Late } else { Came::Now },
            floor: Point::default(),
            point: hold.known.map(point),
        }
    }

    /// The point that it comes with, or was given.
    pub(super) const fn point(&self) -> Option<Point> {
        self.point
    }

    /// It comes to a node that knows of points up to `newest`.
    pub(super) fn come(&mut self, newest: Point) {
        if self.came == Came::Now {
            self.floor = newest;
        }
    }

    /// It is given a point, if it has none.
    pub(super) fn settle(&mut self, point: Point) {
        self.point.get_or_insert(point);
    }

    /// Whether it is the same connection of the device.
    pub(super) const fn is_same_as(&self, other: &Self) -> bool {
        self.instance == other.instance && self.attempt == other.attempt
    }

    /// Its run of the client's program.
    pub(super) const fn instance(&self) -> u64 {
        self.instance
    }

    /// The connection as other nodes know it, once it has its point.
    pub(super) fn connection(&self, user_id: UserId, device_id: DeviceId) -> Option<Connection> {
        let Self { instance, attempt, floor, point, .. } = *self;
        point.map(|point| Connection { user_id, device_id, instance, attempt, floor, point })
    }

    /// Whether `new`, which comes now, is older for certain.
    pub(super) fn is_newer_than(&self, new: &Self) -> bool {
        if self.instance == new.instance {
            return self.attempt > new.attempt;
        }
        new.point.is_some_and(|point| point <= self.floor)
    }

    /// Whether a session of its device that is here already makes room for it.
    pub(super) fn takes_over_from(&self, here: &Self) -> bool {
        if self.instance == here.instance {
            return self.attempt >= here.attempt;
        }
        // All that is here came before what comes now.
        self.came == Came::Now
    }

    /// Whether it is older for certain than a connection of its device that another node holds.
    pub(super) fn is_older_than(&self, elsewhere: &Connection) -> bool {
        if self.instance == elsewhere.instance {
            return self.attempt < elsewhere.attempt;
        }
        self.point.is_some_and(|point| point <= elsewhere.floor)
    }

    /// What it is told when a connection of this run of the program takes its place.
    pub(super) const fn code_when_displaced_by(&self, instance: u64) -> CloseCode {
        if self.instance == instance { CloseCode::Superseded } else { CloseCode::Replaced }
    }
}

#[cfg(test)]
mod tests;
