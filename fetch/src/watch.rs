//! The watch hub: tells signal nodes what moved for the users they hold.
//!
//! To register means: subscribe, then read the head, then answer. What moves in between is told
//! twice rather than not at all. At least once per heartbeat the head and the revocation of every held
//! device are read again from the store, so that nothing depends on the bus.
//!
//! # Layout, in reading order
//!
//! - `hub`: the hub, and what it hears from the bus
//! - `upward`: what a node says, and what it is answered
//! - `sweep`: what is told without the bus
//! - `sight`: what becomes of the streams when the store does not answer
//! - `held`: who is held by which stream; `stream`: what waits to go down one; `streams`: whose they are
//! - `grpc`: the same for nodes that are other processes

mod grpc;
mod held;
mod hub;
mod sight;
mod stream;
mod streams;
mod sweep;
mod upward;

pub(crate) use grpc::routes;
pub use held::{SessionView, SessionsPage};
pub use hub::{HubWatch, WatchHub};
pub use streams::SignalNodeView;
