//! What fails, when, and for how long: values only.

use std::{fmt, time::Duration};

/// Something that befalls a part of the cluster, and is over after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A fetch node is killed with `kill -9`.
    KillFetch,
    /// A signal node is killed with `kill -9`.
    KillSignal,
    /// A fetch node is told to end, as in a deploy.
    DrainFetch,
    /// A signal node is told to end, as in a deploy.
    DrainSignal,
    /// A fetch node stands still.
    FreezeFetch,
    /// A signal node stands still.
    FreezeSignal,
    /// NATS is stopped.
    StopBus,
    /// Postgres ends as in a crash.
    CrashDatabase,
    /// The object store is stopped.
    StopObjects,
    /// All connections of clients are cut.
    CutClients,
    /// Nothing goes through between clients and nodes, while connections stay.
    FreezeClients,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::KillFetch,
        Self::KillSignal,
        Self::DrainFetch,
        Self::DrainSignal,
        Self::FreezeFetch,
        Self::FreezeSignal,
        Self::StopBus,
        Self::CrashDatabase,
        Self::StopObjects,
        Self::CutClients,
        Self::FreezeClients,
    ];

    /// What one of them is called in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillFetch => "fetch nodes killed",
            Self::KillSignal => "signal nodes killed",
            Self::DrainFetch => "fetch nodes drained",
            Self::DrainSignal => "signal nodes drained",
            Self::FreezeFetch => "fetch nodes frozen",
            Self::FreezeSignal => "signal nodes frozen",
            Self::StopBus => "NATS stopped",
            Self::CrashDatabase => "Postgres crashed",
            Self::StopObjects => "S3 server stopped",
            Self::CutClients => "cuts of all connections",
            Self::FreezeClients => "freezes of all connections",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The next fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// After the one before began.
    pub(super) pause: Duration,
    pub(super) fault: Fault,
    /// Which node, of as many as there are.
    pub(super) node: usize,
    /// How long it is away.
    pub(super) outage: Duration,
}

/// Faults without end; the same seed makes the same ones.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    random: fastrand::Rng,
    faults: Vec<Fault>,
    pause_max: Duration,
    outage_max: Duration,
    /// A round has every fault once, in an order of its own: a short run meets all of them.
    round: Vec<Fault>,
}

impl Plan {
    pub(super) fn new(config: &super::ChaosConfig) -> Self {
        Self {
            random: fastrand::Rng::with_seed(config.seed),
            faults: config.faults.clone(),
            pause_max: config.pause_max,
            outage_max: config.outage_max,
            round: Vec::new(),
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.round.is_empty() {
            self.round.clone_from(&self.faults);
            self.random.shuffle(&mut self.round);
        }
        Some(Step {
            fault: self.round.pop()?,
            pause: self.pause_max.mul_f64(self.random.f64()),
            node: self.random.usize(..),
            outage: self.outage_max.mul_f64(self.random.f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::ChaosConfig;

    #[test]
    fn a_seed_makes_one_plan_and_every_round_has_every_fault() {
        let config = ChaosConfig::new(Duration::from_secs(1), 7);
        let steps: Vec<_> = Plan::new(&config).take(22).collect();
        assert_eq!(steps, Plan::new(&config).take(22).collect::<Vec<_>>());
        for round in steps.chunks(Fault::ALL.len()) {
            let mut faults: Vec<_> = round.iter().map(|step| step.fault).collect();
            faults.sort_unstable();
            assert_eq!(faults, Fault::ALL);
        }
    }

    #[test]
    fn without_faults_there_is_no_plan() {
        let config =
            ChaosConfig { faults: Vec::new(), ..ChaosConfig::new(Duration::from_secs(1), 7) };
        assert_eq!(Plan::new(&config).next(), None);
    }
}
