//! What the session target is made of: both ends, each with somebody who watches that it keeps its
//! promises whatever happens.

pub mod client;
pub mod conversation;
pub mod server;
pub mod steps;
