use std::time::Duration;

use crate::limits;

/// What a server allows and asks for; shared by all its sessions.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// A hello must arrive within this time.
    pub hello_timeout: Duration,
    /// The node must be able to answer a hello within this time.
    pub admission_timeout: Duration,
    /// A frame must be taken by the socket within this time.
    pub write_timeout: Duration,
    /// The shortest heartbeat given.
    pub heartbeat_min: Duration,
    /// The heartbeat given when the client has no wish.
    pub heartbeat_default: Duration,
    /// The longest heartbeat given.
    pub heartbeat_max: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            hello_timeout: limits::HELLO_TIMEOUT,
            admission_timeout: limits::WELCOME_TIMEOUT / 2,
            write_timeout: limits::WRITE_TIMEOUT,
            heartbeat_min: limits::HEARTBEAT_MIN,
            heartbeat_default: limits::HEARTBEAT_DEFAULT,
            heartbeat_max: limits::HEARTBEAT_MAX,
        }
    }
}
