use crate::store::UnixMs;

/// The time that many days before `now`.
#[must_use]
pub const fn days_before(now: UnixMs, days: u32) -> UnixMs {
    UnixMs(now.0.saturating_sub(days as u64 * 24 * 3600 * 1000))
}
