//! The content service: accounts, conversations, messages, inbox, media, watch.
//!
//! # Layout, in reading order
//!
//! - [`config`], [`limits`], [`clock`]: what is given to the service
//! - [`store`]: what must last, as traits in domain words, and its SQLite implementation
//! - [`objects`]: where the bytes of media lie
//! - [`media`]: uploads and downloads between the two
//! - [`bus`]: what a node tells after a commit
//! - [`auth`]: passwords, tokens, keys
//! - [`watch`]: the hub that tells signal nodes what moved
//! - [`http`]: the API
//! - `readiness`: whom health asks
//! - `server`: connections; `upkeep`: what runs by itself; `durable`: directories;
//!   `telemetry`: what is counted; `traces`: the spans that are exported; [`milestones`]: what became of
//!   messages; [`health`]: what is missing
//! - [`Fetch`]: all of it, started

pub mod config;
pub use config::FetchConfig;

pub mod limits;

pub mod clock;
pub use clock::Clock;

pub mod store;

pub mod objects;

pub mod media;

pub mod bus;

pub mod auth;

pub mod watch;

pub mod http;

pub mod health;

pub mod milestones;

pub mod durable;

mod network;
pub use network::{InvalidNetwork, Network};

mod readiness;

mod server;
pub use server::{PrivateTlsError, private_tls};

mod telemetry;

mod traces;

mod upkeep;

mod fetch;
pub use fetch::{Fetch, FetchError, FetchParts};
