//! The time, as something that can be handed in.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::store::UnixMs;

/// Tells the time; tests bring their own.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// `None` where the wall clock never steps.
    started: Option<Instant>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        let wall = || {
            let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            UnixMs(since_1970.map_or(0, |since| since.as_millis() as u64))
        };
        Self { wall: Arc::new(wall), started: Some(Instant::now()) }
    }

    /// A clock of the caller's own. Time passes by it alone: it does not step, however far it moves.
    #[must_use]
    pub fn new(tell: impl Fn() -> UnixMs + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(tell), started: None }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        (self.wall)()
    }

    /// How much time has passed since some moment, whatever was done to the wall clock.
    #[must_use]
    pub fn steady(&self) -> Duration {
        match self.started {
            Some(started) => started.elapsed(),
            None => Duration::from_millis(self.now().0),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}
