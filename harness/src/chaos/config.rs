use std::time::Duration;

/// How many people, how long, how fast, and what befalls them.
#[derive(Clone, Debug)]
pub struct ChaosConfig {
    /// How many people; at least four.
    pub people: usize,
    /// How long they send.
    pub duration: Duration,
    /// Messages a second, of all of them together.
    pub messages_per_second: f64,
    /// One message in so many carries a file.
    pub file_every: usize,
    /// The largest file, in bytes; most are much smaller.
    pub file_bytes_max: usize,
    /// Decides who is with whom, and what fails when and for how long.
    pub seed: u64,
    /// What may fail; nothing when it is empty.
    pub faults: Vec<super::Fault>,
    /// The longest pause between two faults.
    pub pause_max: Duration,
    /// The longest time that a part is away.
    pub outage_max: Duration,
    /// Observers pass an entry over now and then: what the judge is for.
    pub observers_jump: bool,
    /// After the last fault, everything must have arrived within this time.
    pub settle_time: Duration,
}

impl ChaosConfig {
    /// Fifty people, every fault, for `duration`.
    #[must_use]
    pub fn new(duration: Duration, seed: u64) -> Self {
        Self {
            people: 50,
            duration,
            messages_per_second: 25.0,
            file_every: 8,
            file_bytes_max: 8 << 20,
            seed,
            faults: super::Fault::ALL.to_vec(),
            pause_max: Duration::from_secs(3),
            outage_max: Duration::from_secs(4),
            observers_jump: false,
            settle_time: Duration::from_secs(120),
        }
    }

    /// The mean time between two messages of one person.
    pub(super) fn pace(&self) -> Pace {
        Pace {
            mean: Duration::from_secs_f64(self.people as f64 / self.messages_per_second),
            file_every: self.file_every,
            file_bytes_max: self.file_bytes_max,
        }
    }
}

/// How one person sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) mean: Duration,
    pub(super) file_every: usize,
    pub(super) file_bytes_max: usize,
}

impl Pace {
    /// Until the next message: as in a Poisson process.
    pub(super) fn pause(&self) -> Duration {
        self.mean.mul_f64(-(1.0 - fastrand::f64()).ln())
    }

    /// The length of a file, if the next message has one: lengths of every order of magnitude alike.
    pub(super) fn file_bytes(&self) -> Option<usize> {
        if fastrand::usize(..self.file_every) > 0 {
            return None;
        }
        let magnitude = (self.file_bytes_max as f64).ln() * fastrand::f64();
        Some(magnitude.exp() as usize)
    }
}
