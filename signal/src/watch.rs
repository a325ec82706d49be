//! The node's side of the watch.
//!
//! - `client`: opens the stream, opens it again when it breaks, moves to another when asked to
//! - `link`: the stream that is in use, as the connections see it
//! - `upward`: what waits to be told, merged
//! - `downward`: what was told, carried to the sessions; `traced`: the spans of that

mod client;
mod downward;
mod link;
mod traced;
mod upward;

pub(crate) use client::WatchClient;
pub(crate) use link::Link;
