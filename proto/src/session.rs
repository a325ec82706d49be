//! Both ends of the signaling session as state machines.
//!
//! Values in, values out: the driver hands in what happened and the time, then polls until nothing
//! is left.
//!
//! ```text
//! loop {
//!     session.handle(input, now)            or session.handle_timeout(now)
//!     while let Some(effect) = session.poll_effect() { do it }
//!     wait for the next input, at most until session.poll_timeout()
//! }
//! ```
//!
//! What takes time leaves as an effect and comes back as an input. Both machines hold a bounded
//! number of bytes whatever the peer does.

mod backoff;
mod client;
mod server;

pub use backoff::Backoff;
pub use client::{ClientConfig, ClientEffect, ClientInput, ClientSession};
pub use server::{Admission, ServerEffect, ServerInput, ServerLimits, ServerSession};
