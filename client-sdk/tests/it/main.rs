//! The SDK against the real services.
#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

mod delivery;
mod downloads;
mod outbox;
mod sessions;
mod state;
mod support;
mod uploads;
