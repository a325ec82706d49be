//! The real servers that tests need, as child processes: started on free ports of the loopback, stopped,
//! killed, frozen, and started again on the same port and the same data.
//!
//! Whatever ends the test's process, `kill -9` too, ends its servers and removes their folders.
//!
//! # Layout, in reading order
//!
//! - [`Postgres`], [`Nats`], [`S3`]: the servers
//! - `server`: what they have in common, a child process that comes and goes
//! - `keeper`: ends it when nobody is left to do so
//! - `programs`: where the programs are

mod postgres;
pub use postgres::{Postgres, PostgresOptions};

mod nats;
pub use nats::{Nats, NatsLogin, NatsOptions, NatsTls};

mod s3;
pub use s3::S3;

mod server;

mod keeper;

mod programs;

mod error;
pub use error::ServerError;
