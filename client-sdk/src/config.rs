//! What an app decides.

use std::{path::PathBuf, time::Duration};

use nudge_proto::limits::HEARTBEAT_DEFAULT;

use crate::limits;

/// Everything a client is told at its start.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The one URL an app needs, for example `https://chat.example.org`; the rest is discovered.
    pub url: String,
    /// The folder of this account's state; made when it does not exist, for this user's eyes only.
    pub state_dir: PathBuf,
    /// Told to the operator; at most 64 bytes.
    pub client_name: String,
    /// Told to the operator; at most 64 bytes.
    pub client_version: String,
    /// The device's name in the list of the account's devices.
    pub device_name: String,
    /// Certificates in PEM that are trusted besides the system's.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Whether this client keeps the connection and reads the inbox.
    pub sync: SyncMode,
    /// The heartbeat to wish for; the server decides.
    pub heartbeat: Option<Duration>,
    /// The inbox is looked at in this time at the latest while there is no connection.
    pub poll_interval: Duration,
    /// The shortest wait before another attempt of anything.
    pub retry_min: Duration,
    /// The longest wait before another attempt of anything.
    pub retry_max: Duration,
}

/// Whether a client keeps the connection and reads the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// If no other process on this state folder does so already; then it only sends requests.
    Automatic,
    /// Never: this client sends requests only.
    Off,
}

impl ClientConfig {
    /// The usual patience with the server at `url`, and state in `state_dir`.
    pub fn new(url: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            state_dir: state_dir.into(),
            client_name: "nudge-client-sdk".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            device_name: "unnamed device".to_owned(),
            extra_roots_pem: Vec::new(),
            sync: SyncMode::Automatic,
            heartbeat: None,
            poll_interval: HEARTBEAT_DEFAULT,
            retry_min: limits::RETRY_MIN,
            retry_max: limits::RETRY_MAX,
        }
    }
}
