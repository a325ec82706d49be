use std::time::Duration;

use crate::limits;

/// Who the client is, and how patient.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For the operator's eyes.
    pub client_name: String,
    /// For the operator's eyes.
    pub client_version: String,
    /// Random, chosen once per run of the program.
    pub instance: u64,
    /// The heartbeat to wish for, in seconds; 0 leaves it to the server.
    pub heartbeat_s: u32,
    /// What is known of the network.
    pub network_hint: String,
    /// A connection must stand within this time.
    pub connect_timeout: Duration,
    /// A welcome or a pong must come within this time.
    pub answer_timeout: Duration,
    /// The shortest wait before a new attempt.
    pub reconnect_min: Duration,
    /// The longest wait before a new attempt.
    pub reconnect_max: Duration,
    /// For the jitter.
    pub seed: u64,
}

impl ClientConfig {
    /// The usual patience; `instance` and `seed` are to be random.
    #[must_use]
    pub const fn new(instance: u64, seed: u64) -> Self {
        Self {
            client_name: String::new(),
            client_version: String::new(),
            instance,
            heartbeat_s: 0,
            network_hint: String::new(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: limits::WELCOME_TIMEOUT,
            reconnect_min: Duration::from_millis(250),
            reconnect_max: Duration::from_secs(60),
            seed,
        }
    }
}
