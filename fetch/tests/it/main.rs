//! The content service over real HTTP, on the SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod inbox;
mod messages;
mod refusals;
mod sessions;
mod store;
mod support;
mod uploads;
mod watch;
