//! Fetch and signal joined in one process: what `nudge serve` runs, and what the harness takes apart.
//!
//! # Layout, in reading order
//!
//! - `server`: both services, started and stopped in the right order
//! - `front`: what the two must agree on: addresses and certificate
//! - [`limits`]: what the operator of any role may meet
//! - `error`: why the server does not start

mod server;
pub use server::{Server, ServerConfig};

mod front;
pub use front::Front;

pub mod limits;

mod error;
pub use error::ServerError;
