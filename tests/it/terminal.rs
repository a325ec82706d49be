//! The terminal client, as separate programs around one server.

mod accounts;
mod delivery;
mod files;
mod kills;
mod stage;
