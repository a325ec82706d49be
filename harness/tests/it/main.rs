//! The harness, tested by itself.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod deliveries;
mod history;
mod proxy;
mod system;
mod trace;
mod watch;
