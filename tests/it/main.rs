//! The workspace and the `nudge` binary, from the outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod architecture;
mod bench;
mod certificates;
mod chaos;
mod cluster;
mod configuration;
mod demo;
mod deploy;
mod durability;
mod failover;
mod kills;
mod metrics;
mod program;
mod python_example;
mod readme;
mod restore;
mod serve;
mod signaling;
mod stopping;
mod terminal;
mod traces;
mod transfers;
