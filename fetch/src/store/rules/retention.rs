use crate::store::UnixMs;

/// The time that many days before `now`.
#[must_use]
pub const fn days_before(now: UnixMs, days: u32) -> UnixMs {
    UnixMs(now.0.saturating_sub(days as u64 * 24 * 3600 * 1000))
}

/// When a medium goes that is named, or complete, `now`.
#[must_use]
pub const fn media_expire_at(now: UnixMs, media_days: Option<u32>) -> UnixMs {
    match media_days {
        Some(days) => UnixMs(now.0.saturating_add(days as u64 * 24 * 3600 * 1000)),
        None => UnixMs(i64::MAX as u64),
    }
}
