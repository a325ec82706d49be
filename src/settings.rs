//! What the operator decides: flags, then variables of the environment, then the configuration file, then the
//! defaults, in this order of strength.
//!
//! A setting is declared once, in the group that it belongs to; a command takes the groups that concern it.
//! A key of the file is handed to the same parser as a flag is, under the name of its group's field.
//!
//! # Layout, in reading order
//!
//! - `store`, `redirect`, `bus`, `api`, `listeners`, `watch`, `stopping`, `traces`: the groups
//! - `secret`: what is also read from a file, and never printed
//! - `file`: from keys of the configuration file to flags
//! - `role`: all questions of a command answered

mod api;
mod bus;
mod file;
mod listeners;
mod redirect;
mod role;
mod secret;
mod stopping;
mod store;
mod traces;
mod watch;

pub(crate) use api::ApiSettings;
pub(crate) use bus::BusSettings;
pub(crate) use file::arguments_with_file;
pub(crate) use listeners::{
    ADMIN_TOKEN_FILE, DeviceListener, PrivateListener, PublicListeners, SignalOperator,
};
pub(crate) use role::{Embedded, FetchRole, SignalRole};
pub(crate) use secret::{read_file, secret};
pub(crate) use stopping::Stopping;
pub(crate) use store::{MediaSettings, StoreSettings};
pub(crate) use traces::TraceSettings;
pub(crate) use watch::{WatchCall, WatchDoor};

#[cfg(test)]
mod tests;
