//! Starts Nudge for tests, and makes its life hard.
//!
//! # Layout, in reading order
//!
//! - [`system`]: the whole system in this process, restarted in part or in whole
//! - [`proxy`]: a TCP proxy in front of any listener, which delays, throttles, cuts and freezes
//! - [`process`]: the real binary as a child process, to be killed and started again
//! - [`cluster`]: many nodes as processes, with the servers they stand on
//! - [`chaos`]: people who send and read while parts of a cluster die, and what may be said of it afterwards
//! - [`api`]: the HTTP API without the SDK, for tests that want to see every answer
//! - [`peer`]: the signaling protocol without the SDK, frame by frame
//! - [`trace`]: the server's system calls, and whether what it answered was on disk by then
//! - [`history`]: what was seen from outside, and whether the promises about order hold in it

pub mod system;
pub use system::{System, SystemBuilder, SystemError};

pub mod proxy;
pub use proxy::{FaultProxy, Line};

pub mod process;
pub use process::{ProcessError, ServerCommand, ServerProcess};

pub mod cluster;
pub use cluster::Cluster;

pub mod chaos;

pub mod api;
pub use api::{Api, ApiError};

pub mod peer;
pub use peer::{Peer, PeerError};

pub mod trace;
pub use trace::Trace;

pub mod history;
pub use history::{History, Violation};
