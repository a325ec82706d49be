//! The content service over real HTTP, on the SQLite store.

mod inbox;
mod messages;
mod refusals;
mod sessions;
mod support;
mod watch;
