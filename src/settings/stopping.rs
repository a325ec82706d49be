use std::time::Duration;

use clap::Args;
use nudge_server::limits::DRAIN_DELAY_MAX;

use crate::failure::Failure;

/// How a server stops.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Stopping")]
pub(crate) struct Stopping {
    /// Seconds that a stopping server goes on serving while /readyz says no, for balancers to notice;
    /// asked to stop once more it waits no longer [default: 5; 0 for `nudge serve`]
    #[arg(long, env = "NUDGE_DRAIN_DELAY_S", value_name = "SECONDS")]
    pub(crate) drain_delay_s: Option<u32>,
}

impl Stopping {
    pub(super) fn delay(self, default: Duration) -> Result<Duration, Failure> {
        let delay = self.drain_delay_s.map_or(default, |secs| Duration::from_secs(secs.into()));
        if delay > DRAIN_DELAY_MAX {
            return Err(Failure::configuration(format!(
                "--drain-delay-s has 0 to {} seconds, not {}",
                DRAIN_DELAY_MAX.as_secs(),
                delay.as_secs()
            )));
        }
        Ok(delay)
    }
}
