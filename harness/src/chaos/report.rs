use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::faults::Counts;
use crate::history::Summary;

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since its begin.
    pub elapsed: Duration,
    /// Messages that apps were given.
    pub given: usize,
    /// Those of them that are sent.
    pub settled: usize,
    /// Deliveries of sent messages to other members that are to come.
    pub missing: usize,
    /// What happened to the cluster, and how often.
    pub faults: Counts,
}

/// What is told of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Makes the same faults again.
    pub seed: u64,
    /// How many people.
    pub people: usize,
    /// From the first account to the verdict.
    pub elapsed: Duration,
    /// After the last fault, until everything had arrived.
    pub settled_in: Duration,
    /// What happened to the cluster, and how often.
    pub faults: Counts,
    /// What the observers saw.
    pub summary: Summary,
    /// Messages that apps were given.
    pub given: usize,
    /// Files with them.
    pub files: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// Files that arrived, one for each reader.
    pub downloads: u64,
    /// How often an app's state folder was not free in time: on a machine that is too busy for so many apps.
    pub busy_states: u64,
    /// Deliveries to apps.
    pub told: usize,
    /// From the sender's knowing that it is sent to the reader's app being told: the median.
    pub latency_p50: Duration,
    /// 99 of 100 were faster.
    pub latency_p99: Duration,
    /// The slowest.
    pub latency_max: Duration,
    /// Everything that contradicts a promise; nothing when all is well.
    pub wrong: Vec<String>,
}

impl Report {
    /// Whether every promise held.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ok": self.is_ok(),
            "seed": self.seed,
            "people": self.people,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "settled_in_s": self.settled_in.as_secs_f64(),
            "faults": self.faults,
            "messages": self.given,
            "files": self.files,
            "file_bytes": self.file_bytes,
            "deliveries": self.told,
            "downloads": self.downloads,
            "busy_states": self.busy_states,
            "observed": {
                "sends": self.summary.sends,
                "messages": self.summary.messages,
                "pages": self.summary.pages,
                "devices": self.summary.devices,
            },
            "latency_ms": {
                "p50": self.latency_p50.as_secs_f64() * 1e3,
                "p99": self.latency_p99.as_secs_f64() * 1e3,
                "max": self.latency_max.as_secs_f64() * 1e3,
            },
            "wrong": self.wrong,
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, given, settled, missing, faults } = self;
        write!(
            formatter,
            "{:>4} s  {given} messages given, {settled} sent, {missing} deliveries to come, {} faults",
            elapsed.as_secs(),
            faults.values().sum::<u64>()
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} people in {:.0} s: {} messages, {} files with {} bytes; seed {}",
            self.people,
            self.elapsed.as_secs_f64(),
            self.given,
            self.files,
            self.file_bytes,
            self.seed
        )?;
        for (fault, count) in &self.faults {
            writeln!(formatter, "  {count:>5}  {fault}")?;
        }
        writeln!(
            formatter,
            "apps were told {} times and downloaded {} files; from sent to told: median {:.0?}, 99 % {:.0?}, \
             at most {:.0?}",
            self.told, self.downloads, self.latency_p50, self.latency_p99, self.latency_max
        )?;
        writeln!(formatter, "observers: {}", self.summary)?;
        if self.busy_states > 0 {
            writeln!(formatter, "state folders that were not free in time: {}", self.busy_states)?;
        }
        writeln!(formatter, "everything had arrived {:.1?} after the last fault", self.settled_in)?;
        if self.is_ok() {
            return write!(
                formatter,
                "nothing lost, nothing twice, one order, no gap, every file as it was sent"
            );
        }
        writeln!(formatter, "{} contradictions:", self.wrong.len())?;
        for wrong in self.wrong.iter().take(SHOWN_MAX) {
            writeln!(formatter, "  - {wrong}")?;
        }
        match self.wrong.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(formatter, "  - and {more} more"),
        }
    }
}

const SHOWN_MAX: usize = 30;
