//! The conversation, attacked: its bytes, its lists, and both ends against each other.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod clock;
mod codes;
mod frames;
mod heap;
mod pair;
mod purity;
mod server;
mod strategies;
mod texts;
mod tickets;
mod watch;
mod wire;
mod world;
