//! What a process takes, as the kernel tells it.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::failure::Failure;

/// Memory that comes to rest does so within this time.
const SETTLE_TIME: Duration = Duration::from_secs(15);
/// The pause between two looks that must agree.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks that differ by less agree.
const REST_BYTES: u64 = 64 * 1024;

/// Reads /proc about one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge {
    pid: u32,
}

impl Gauge {
    pub(super) const fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Resident anonymous memory, in bytes.
    pub(super) fn memory(self) -> Result<u64, Failure> {
        let rollup = self.read("smaps_rollup")?;
        anonymous_bytes(&rollup)
            .ok_or_else(|| Failure::new("smaps_rollup does not tell the anonymous memory"))
    }

    /// The same, once it has come to rest.
    pub(super) async fn memory_at_rest(self) -> Result<u64, Failure> {
        let began = Instant::now();
        let mut last = self.memory()?;
        loop {
            sleep(LOOK_EVERY).await;
            let now = self.memory()?;
            if now.abs_diff(last) < REST_BYTES || began.elapsed() > SETTLE_TIME {
                return Ok(now);
            }
            last = now;
        }
    }

    /// CPU time so far, in the kernel and out of it.
    pub(super) fn cpu(self) -> Result<Duration, Failure> {
        let stat = self.read("stat")?;
        let ticks =
            cpu_ticks(&stat).ok_or_else(|| Failure::new("stat does not tell the CPU time"))?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }

    fn read(self, what: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{what}", self.pid);
        fs::read_to_string(&path).map_err(|error| {
            Failure::new(format!("cannot read {path}: {error}; measuring needs Linux"))
        })
    }
}

fn anonymous_bytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// User and system time of proc(5)'s stat, fields 14 and 15; the name in parentheses may contain anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_lines_are_read() {
        let rollup = "Rss:   9 kB\nAnonymous:          5120 kB\nLazyFree: 0 kB\n";
        assert_eq!(anonymous_bytes(rollup), Some(5120 * 1024));
        let stat = "7 (a) b) S 1 2 3 0 -1 4194304 100 0 0 0 250 31 0 0 20 0 3 0 12345";
        assert_eq!(cpu_ticks(stat), Some(281));
    }

    #[test]
    fn this_process_takes_memory_and_time() {
        let gauge = Gauge::of(std::process::id());
        assert!(gauge.memory().unwrap() > 100_000);
        gauge.cpu().unwrap();
    }
}
