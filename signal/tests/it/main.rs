//! The signaling service between a client and a watch, both played by the test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

// The same counting allocator as in proto's tests.
#[path = "../../../proto/tests/it/heap.rs"]
mod heap;
mod rig;

mod displacement;
mod frames;
mod hello;
mod limits;
mod listeners;
mod memory;
mod notices;
mod shutdown;
mod watch;
