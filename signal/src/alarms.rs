//! One coarse clock for the deadlines of all connections.
//!
//! A tokio timer costs over a hundred bytes per connection; here a deadline costs eight. Deadlines are
//! in the range of seconds and minutes and move with every frame, so they are looked at lazily: an
//! entry that fires finds out from the seat whether its deadline has moved, and goes back in.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use nudge_proto::watch::SessionKey;
use parking_lot::{Mutex, MutexGuard};

use crate::limits::ALARM_TICK;

/// A wheel of session keys, by the tick at which they are to be woken.
#[derive(Debug)]
pub(crate) struct Alarms {
    started_at: Instant,
    /// The tick that was last taken out.
    now: AtomicU32,
    slots: Box<[Mutex<Vec<SessionKey>>]>,
}

/// A point of the wheel's time, in units of [`ALARM_TICK`] since its start.
pub(crate) type Tick = u32;

/// Ticks of one turn (17 minutes); for a later deadline the session is woken once a turn.
const SLOTS: u32 = 4096;

impl Alarms {
    pub(crate) fn new(started_at: Instant) -> Self {
        let slots = (0..SLOTS).map(|_| Mutex::default()).collect();
        Self { started_at, now: AtomicU32::new(0), slots }
    }

    /// The first tick at which `deadline` has passed, or the last that can be set now.
    pub(crate) fn tick_of(&self, deadline: Instant) -> Tick {
        let ticks = deadline.saturating_duration_since(self.started_at).as_nanos();
        let tick = ticks.div_ceil(ALARM_TICK.as_nanos()).try_into().unwrap_or(Tick::MAX);
        tick.min(self.now.load(Ordering::Acquire) + SLOTS - 1)
    }

    /// The tick that `now` lies in.
    pub(crate) fn tick_at(&self, now: Instant) -> Tick {
        let ticks = now.saturating_duration_since(self.started_at).as_nanos();
        (ticks / ALARM_TICK.as_nanos()).try_into().unwrap_or(Tick::MAX)
    }

    /// Has `tick`, one of [`Self::tick_of`], bring `session` up, or the next tick if that has passed.
    pub(crate) fn set(&self, tick: Tick, session: SessionKey) {
        loop {
            let tick = tick.max(self.now.load(Ordering::Acquire) + 1);
            let mut slot = self.slot(tick);
            // Ticks pass under their slot's lock: this one has not, so it will find the entry.
            if self.now.load(Ordering::Acquire) < tick {
                slot.push(session);
                return;
            }
        }
    }

    /// Takes out everything up to and with `tick`, one tick at a time.
    pub(crate) fn pass(&self, tick: Tick, mut each: impl FnMut(Tick, SessionKey)) {
        for passing in self.now.load(Ordering::Acquire) + 1..=tick {
            let due = {
                let mut slot = self.slot(passing);
                self.now.store(passing, Ordering::Release);
                std::mem::take(&mut *slot)
            };
            for session in due {
                each(passing, session);
            }
        }
    }

    fn slot(&self, tick: Tick) -> MutexGuard<'_, Vec<SessionKey>> {
        self.slots[(tick % SLOTS) as usize].lock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn passed(alarms: &Alarms, tick: Tick) -> Vec<(Tick, SessionKey)> {
        let mut out = Vec::new();
        alarms.pass(tick, |tick, session| out.push((tick, session)));
        out
    }

    #[test]
    fn a_deadline_fires_at_the_first_tick_after_it() {
        let start = Instant::now();
        let alarms = Alarms::new(start);
        alarms.set(alarms.tick_of(start + Duration::from_millis(251)), 7);
        assert_eq!(passed(&alarms, 1), []);
        assert_eq!(passed(&alarms, 3), [(2, 7)]);
        assert_eq!(passed(&alarms, 9), []);
    }

    #[test]
    fn a_deadline_beyond_a_turn_fires_early_and_one_in_the_past_fires_next() {
        let start = Instant::now();
        let alarms = Alarms::new(start);
        assert_eq!(passed(&alarms, 10), []);
        alarms.set(alarms.tick_of(start + Duration::from_secs(86_400)), 1);
        alarms.set(3, 2);
        assert_eq!(passed(&alarms, 11), [(11, 2)]);
        assert_eq!(passed(&alarms, 10 + SLOTS), [(10 + SLOTS - 1, 1)]);
    }
}
