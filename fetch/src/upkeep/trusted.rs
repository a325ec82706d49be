//! The time that retention goes by.
//!
//! Wall clocks step: one that was set weeks ahead for a minute must not remove what is live, and neither
//! must one that was weeks behind when the service started and is corrected.

use std::time::Duration;

use crate::{
    limits::{CLOCK_STEP_MAX, CLOCK_STEP_STANDS},
    store::UnixMs,
};

/// Follows the wall clock; when that steps far ahead, only once the new time has stood for a while.
/// Until then time goes on from before the step.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrustedTime {
    wall: UnixMs,
    steady: Duration,
    step: Option<Step>,
}

/// A step that has not stood for long enough.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// How far the wall clock is ahead of the trusted time.
    ahead: Duration,
    since: Duration,
}

/// The time to go by, and what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) now: UnixMs,
    pub(super) news: Option<News>,
}

/// What the operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The wall clock stepped ahead by that much, and is not followed for now.
    Doubted(Duration),
    /// It has stood for long enough, and is followed.
    Believed(Duration),
}

impl TrustedTime {
    /// Begins with a time that nothing contradicts. `steady` never steps; where it begins is all the same.
    pub(super) const fn new(wall: UnixMs, steady: Duration) -> Self {
        Self { wall, steady, step: None }
    }

    /// The time to go by when the clocks say this.
    pub(super) fn tell(&mut self, wall: UnixMs, steady: Duration) -> Told {
        let expected = self.wall.after(steady.saturating_sub(self.steady));
        let ahead = Duration::from_millis(wall.0.saturating_sub(expected.0));
        if ahead <= CLOCK_STEP_MAX {
            // A clock that goes back is followed at once: it removes less.
            *self = Self::new(wall, steady);
            return Told { now: wall, news: None };
        }
        match self.step {
            Some(step) if step.ahead.abs_diff(ahead) <= CLOCK_STEP_MAX => {
                if steady.saturating_sub(step.since) < CLOCK_STEP_STANDS {
                    return Told { now: expected, news: None };
                }
                *self = Self::new(wall, steady);
                Told { now: wall, news: Some(News::Believed(ahead)) }
            }
            // Stepping again begins the wait again.
            _ => {
                self.step = Some(Step { ahead, since: steady });
                Told { now: expected, news: Some(News::Doubted(ahead)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    /// 2027.
    const BEGUN: u64 = 1_800_000_000;

    /// What is told for each (steady, wall ahead of it), in seconds: how far the trusted time is ahead of
    /// the steady one, and what is news.
    fn told(clocks: &[(u64, i64)]) -> Vec<(i64, Option<News>)> {
        let mut trusted = TrustedTime::new(UnixMs(BEGUN * 1000), Duration::ZERO);
        let tell = |&(steady, ahead): &(u64, i64)| {
            let wall = UnixMs((BEGUN + steady).strict_add_signed(ahead) * 1000);
            let told = trusted.tell(wall, Duration::from_secs(steady));
            ((told.now.0 / 1000).cast_signed() - (BEGUN + steady).cast_signed(), told.news)
        };
        clocks.iter().map(tell).collect()
    }

    const MONTH: i64 = 40 * DAY as i64;
    const DOUBTED: Option<News> = Some(News::Doubted(Duration::from_secs(40 * DAY)));
    const BELIEVED: Option<News> = Some(News::Believed(Duration::from_secs(40 * DAY)));

    #[test]
    fn small_differences_and_steps_back_are_followed_at_once() {
        let clocks =
            [(60, 0), (120, 5), (180, 3605), (240, -(DAY as i64)), (300, -(DAY as i64) + 60)];
        let expected = clocks.map(|(_, ahead)| (ahead, None));
        assert_eq!(told(&clocks), expected);
    }

    #[test]
    fn a_step_ahead_and_back_changes_nothing() {
        let clocks = [(60, 0), (120, MONTH), (180, MONTH), (240, 1)];
        assert_eq!(told(&clocks), [(0, None), (0, DOUBTED), (0, None), (1, None)]);
    }

    #[test]
    fn a_step_ahead_that_stands_for_a_day_is_followed() {
        let clocks = [(60, MONTH), (DAY, MONTH + 2), (DAY + 60, MONTH), (DAY + 120, MONTH)];
        let expected = [(0, DOUBTED), (0, None), (MONTH, BELIEVED), (MONTH, None)];
        assert_eq!(told(&clocks), expected);
    }

    #[test]
    fn a_second_step_begins_the_wait_again() {
        let further = MONTH + DAY as i64;
        let doubted = Some(News::Doubted(Duration::from_secs(41 * DAY)));
        let believed = Some(News::Believed(Duration::from_secs(41 * DAY)));
        let clocks = [
            (60, MONTH),
            (DAY, further),
            (DAY + 61, further),
            (2 * DAY, further),
            (3 * DAY, further),
        ];
        let told = told(&clocks);
        assert_eq!(told[..3], [(0, DOUBTED), (0, doubted), (0, None)]);
        assert_eq!(told[3..], [(further, believed), (further, None)]);
    }
}
