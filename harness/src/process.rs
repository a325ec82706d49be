//! The real binary as a child process: started on free ports, killed at any instant, started again
//! on the same data and the same ports.

mod child;
mod server;

pub use child::ProcessError;
pub(crate) use child::{Launch, Running};
pub use server::{Ready, ServerCommand, ServerProcess};
