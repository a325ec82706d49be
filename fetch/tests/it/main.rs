//! The content service over real HTTP, on the SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod buses;
mod clients;
mod database;
mod downloads;
mod durability;
mod groups;
mod health;
mod inbox;
mod logs;
mod messages;
mod metrics;
mod objects;
mod openapi;
mod postgres;
mod profiles;
mod protocols;
mod refusals;
mod remote;
mod sessions;
mod store;
mod strangers;
mod support;
mod upkeep;
mod uploads;
mod watch;
