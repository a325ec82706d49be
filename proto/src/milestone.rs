//! What happens to a message between its send and its reading, as both services count it.
//!
//! Each milestone is counted on the node where it happens, and nowhere else, so that the counts of all
//! nodes add up. How long it took needs no look-up: a message's id says when it was made.

use crate::MessageId;

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Milestone {
    /// A send was found to be well formed, and handed to the store.
    Accepted,
    /// It is on disk, for the first time.
    Committed,
    /// A notice of it was handed to a device's socket; one notice may stand for several messages.
    Noticed,
    /// A page with it was handed to a device.
    Fetched,
    /// A device has stored it.
    Acknowledged,
    /// A member's read mark moved over it.
    Read,
    /// Its time to live or the history's time is over, and it was removed.
    Expired,
}

impl Milestone {
    /// All, in the order of a message's life.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Committed,
        Self::Noticed,
        Self::Fetched,
        Self::Acknowledged,
        Self::Read,
        Self::Expired,
    ];

    /// The word for it, in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Committed => "committed",
            Self::Noticed => "noticed",
            Self::Fetched => "fetched",
            Self::Acknowledged => "acknowledged",
            Self::Read => "read",
            Self::Expired => "expired",
        }
    }
}

/// The counter of milestones, with the label `milestone`.
pub const MILESTONES: &str = "nudge_delivery_milestones_total";
/// The histogram of the seconds from a send's acceptance to a milestone, with the label `milestone`.
pub const MILESTONE_SECONDS: &str = "nudge_delivery_seconds";
/// What [`MILESTONES`] means.
pub const MILESTONES_MEANING: &str = "Milestones of messages, each counted where it happens.";
/// What [`MILESTONE_SECONDS`] means.
pub const MILESTONE_SECONDS_MEANING: &str = "From a message's acceptance to the milestone.";
/// The bounds of [`MILESTONE_SECONDS`]: from a local network to a phone that was off for a week.
pub const MILESTONE_SECONDS_BOUNDS: [f64; 18] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
    21_600.0, 86_400.0, 604_800.0,
];

/// How long ago the message was made, in seconds; by clocks of different machines it may seem to be in
/// the future, which counts as now.
#[must_use]
pub fn seconds_since(message: MessageId, now_ms: u64) -> f64 {
    let made_ms = message.made_at_ms();
    now_ms.saturating_sub(made_ms) as f64 / 1000.0
}
