//! The watch hub: tells signal nodes what moved for the users they hold.
//!
//! To register means: subscribe, then read the head, then answer. What moves in between is told
//! twice rather than not at all. Once per heartbeat the head and the revocation of every held device
//! are read again from the store, so that nothing depends on the bus.

mod held;
mod hub;
mod stream;

pub use hub::{HubWatch, WatchHub};
