//! Nudge's signaling service: an enormous number of tiny sockets that say "your inbox is at N".
//!
//! It holds no database credentials and loses nothing when it dies: what it knows came down the watch.
//!
//! # Layout, in reading order
//!
//! - `service`: starts, stops, counts
//! - `config`, `limits`: everything that has a number
//! - `listener`, `tls`: from a socket to a connection
//! - `connection`: the driver around the session
//! - `admission`: from a hello to a session that the watch holds
//! - `node`: what all connections share
//! - `registry`, `seat`: who is connected, and each session's mailbox
//! - `alarms`: one clock for all deadlines
//! - `watch`: the stream to the content service
//! - `grpc`: the same when that is another process
//! - `telemetry`: counters and log limits
//! - `operator`: health and metrics over HTTP
//! - `error`: why the service does not start

mod service;
pub use service::Signal;

mod config;
pub use config::{DEFAULT_PORT, Drain, Listen, SignalConfig, SocketOptions, TlsListen, WallClock};

pub mod limits;

mod listener;
pub use listener::listen;

mod tls;
pub use tls::{ALPN, Certificates};

mod connection;
pub use connection::Transport;

mod admission;

mod node;

mod registry;

mod seat;

mod alarms;

mod watch;

mod grpc;
pub use grpc::{FetchUrl, GrpcWatch, GrpcWatchConfig, GrpcWatchError, InvalidFetchUrl, watch_tls};

mod telemetry;
pub use telemetry::SignalStats;

mod operator;

mod error;
pub use error::{SignalError, TlsError};
