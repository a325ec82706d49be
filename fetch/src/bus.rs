//! The bus: what a fetch node tells the others (and itself) after a commit.
//!
//! It carries ids and numbers only. It may lose, double and merge, and it never blocks a commit:
//! whoever listens must be able to find out everything from the store.
//!
//! # Layout, in reading order
//!
//! - [`BusEvent`]: what is told; [`BusListener`]: who hears it
//! - [`LocalBus`]: within one process
//! - [`RemoteBus`]: between processes, over whatever carries it: `postgres`, `nats`
//! - `carrier`: what these must do, and how a process stays connected; `exchange`: what is the same for
//!   both: what waits (`outbox`), what was lost (`peers`), the bytes (`wire`), [`BusStatus`]

mod carrier;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod event;
mod exchange;
mod lane;
mod listener;
mod local;
mod nats;
mod outbox;
mod peers;
mod postgres;
mod remote;
mod status;
mod wire;

use async_trait::async_trait;

pub use config::{BusConfig, InvalidBus};
pub use event::{BusEvent, Connection};
pub use listener::{BusListener, Heard};
pub use local::LocalBus;
pub use nats::{InvalidNats, NatsOptions};
pub use remote::RemoteBus;
pub use status::BusStatus;

/// A way to all fetch nodes.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug + 'static {
    /// Tells everybody; never waits, never fails.
    fn publish(&self, event: BusEvent);

    /// What is told from now on.
    fn subscribe(&self) -> BusListener;

    /// How it is.
    fn status(&self) -> BusStatus {
        BusStatus::within_the_process()
    }

    /// Tells what still waits, for a moment, and ends; listeners hear nothing more.
    async fn close(&self) {}
}
