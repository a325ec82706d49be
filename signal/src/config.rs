//! What a service is told when it starts.

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nudge_proto::session::ServerLimits;
use rustls::server::ResolvesServerCert;

use crate::limits;

/// What a service is told when it starts; the default listens on plain TCP, on loopback.
#[derive(Debug)]
pub struct SignalConfig {
    /// Where plain TCP is listened on, if at all.
    pub tcp: Option<Listen>,
    /// Where TLS is listened on, if at all.
    pub tls: Option<TlsListen>,
    /// Where health and metrics are served to the operator, if they are; for no one else's eyes.
    pub private: Option<Listen>,
    /// The heartbeat given to clients without a wish.
    pub heartbeat_default: Duration,
    /// The shortest heartbeat given.
    pub heartbeat_min: Duration,
    /// The longest heartbeat given.
    pub heartbeat_max: Duration,
    /// A hello must arrive within this time.
    pub hello_timeout: Duration,
    /// A hello that the watch does not answer within this time is answered with "unavailable".
    pub admission_timeout: Duration,
    /// A frame must be taken by the peer within this time.
    pub write_timeout: Duration,
    /// Connections of this node, at most.
    pub connections_max: usize,
    /// Connections of one user on this node, at most.
    pub connections_per_user_max: usize,
    /// TLS handshakes at one time, at most.
    pub handshakes_in_flight_max: usize,
    /// What accepted sockets are set to.
    pub sockets: SocketOptions,
    /// How a stopping node sends its clients away.
    pub drain: Drain,
    /// What time it is, for checking tickets and for the welcome.
    pub clock: WallClock,
}

impl Default for SignalConfig {
    fn default() -> Self {
        let session = ServerLimits::default();
        Self {
            tcp: Some(Listen::Address(SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)))),
            tls: None,
            private: None,
            heartbeat_default: session.heartbeat_default,
            heartbeat_min: session.heartbeat_min,
            heartbeat_max: session.heartbeat_max,
            hello_timeout: session.hello_timeout,
            admission_timeout: session.admission_timeout,
            write_timeout: session.write_timeout,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_user_max: limits::CONNECTIONS_PER_USER_MAX,
            handshakes_in_flight_max: limits::HANDSHAKES_IN_FLIGHT_MAX,
            sockets: SocketOptions::default(),
            drain: Drain::default(),
            clock: WallClock::default(),
        }
    }
}

impl SignalConfig {
    /// What the sessions need to know of this.
    pub(crate) fn session_limits(&self) -> ServerLimits {
        ServerLimits {
            hello_timeout: self.hello_timeout,
            admission_timeout: self.admission_timeout,
            write_timeout: self.write_timeout,
            heartbeat_min: self.heartbeat_min,
            heartbeat_default: self.heartbeat_default,
            heartbeat_max: self.heartbeat_max,
        }
    }
}

/// The port of plain TCP.
pub const DEFAULT_PORT: u16 = 7400;

/// Where to listen.
#[derive(Debug)]
pub enum Listen {
    /// On this address; port 0 takes a free one.
    Address(SocketAddr),
    /// On a socket that is bound and listening already.
    Listener(TcpListener),
}

/// Where to listen for TLS, and as whom.
#[derive(Debug)]
pub struct TlsListen {
    /// Where.
    pub listen: Listen,
    /// Certificate and key, asked for in every handshake; see [`Certificates`](crate::Certificates).
    pub certificates: Arc<dyn ResolvesServerCert>,
}

/// What accepted sockets are set to.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// Sends small frames at once (TCP_NODELAY).
    pub nodelay: bool,
    /// Lets the kernel probe a silent peer after this time; the heartbeat finds dead peers anyway.
    pub keepalive: Option<Duration>,
    /// The kernel's receive buffer, in bytes; the system's default if absent.
    pub receive_buffer_bytes: Option<usize>,
    /// The kernel's send buffer, in bytes; the system's default if absent.
    pub send_buffer_bytes: Option<usize>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: None, receive_buffer_bytes: None, send_buffer_bytes: None }
    }
}

/// How a stopping node sends its clients away.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Clients come back at a random time from this on.
    pub reconnect_min: Duration,
    /// Clients come back at a random time up to this.
    pub reconnect_max: Duration,
    /// A client that has not left after this time is disconnected.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(30),
            deadline: Duration::from_secs(5),
        }
    }
}

/// Tells the time of day, in milliseconds since 1970.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// A clock that asks `unix_ms`.
    pub fn new(unix_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(unix_ms))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        (self.0)()
    }
}

impl Default for WallClock {
    /// The system's clock.
    fn default() -> Self {
        Self::new(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            since_1970.as_millis().try_into().unwrap_or(u64::MAX)
        })
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WallClock").finish_non_exhaustive()
    }
}
