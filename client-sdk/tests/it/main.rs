//! The SDK against the real services.
#![expect(clippy::unwrap_used, reason = "a test may unwrap")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one thing of many")]

mod delivery;
mod downloads;
mod outbox;
mod sessions;
mod state;
mod support;
mod uploads;
