//! Every limit of the service that the configuration does not set.

use std::time::Duration;

/// Connections of one user on this node, unless the configuration says otherwise: room for every
/// device a user may have, and for each one's predecessor that has not noticed its end.
pub const CONNECTIONS_PER_USER_MAX: usize = 2 * nudge_proto::limits::DEVICES_PER_USER_MAX;
/// Connections of this node, unless the configuration says otherwise.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Connections above the limit that are kept just long enough to be told so; others are dropped.
pub const REJECTIONS_IN_FLIGHT_MAX: usize = 256;
/// TLS handshakes at one time, unless the configuration says otherwise; others wait in the backlog.
pub const HANDSHAKES_IN_FLIGHT_MAX: usize = 1024;
/// A TLS handshake must be done within this time.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that the kernel completes before they are accepted.
pub const LISTEN_BACKLOG: i32 = 4096;
/// The wait after an accept that failed for want of a resource (file descriptors, memory).
pub const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Bytes read from a socket at a time; the buffer is on the stack and outlives no poll.
pub const READ_BYTES: usize = 4096;
/// Reads of one poll before other tasks get their turn.
pub const READS_PER_POLL_MAX: usize = 8;
/// After the last frame, what the peer still sends is thrown away for at most this time, so that the
/// frame is not lost to a reset.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// What is thrown away of it, in bytes, before the connection closes at once.
pub const LINGER_BYTES_MAX: u32 = 256 * 1024;

/// Userspace bytes of an idle plain connection's future, at most.
pub const CONNECTION_BYTES_MAX: usize = 264;
/// Userspace bytes of a session's seat (mailbox and registration), at most.
pub const SEAT_BYTES_MAX: usize = 176;

/// The step in which connections are woken for their deadlines: one may be late by this much.
pub const ALARM_TICK: Duration = Duration::from_millis(250);

/// One address of a fetch node must answer within this time, its TLS handshake included.
pub const WATCH_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A host name of a fetch node must be found within this time.
pub const WATCH_RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A stream that stayed open this long shows that its fetch node is healthy: earlier failures are forgotten.
pub const WATCH_WELL_AFTER: Duration = Duration::from_millis(500);
/// A fetch node that sends its nodes elsewhere is asked last for this time.
pub const WATCH_LEFT_TIME: Duration = Duration::from_secs(30);
/// Bytes that wait for the socket of a watch, before nothing more is taken from its queue.
pub const WATCH_SEND_BYTES: usize = 64 * 1024;
/// Opening the watch, with its keys, must be done within this time.
pub const WATCH_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest wait before the watch is opened again.
pub const WATCH_RETRY_MIN: Duration = Duration::from_millis(50);
/// The longest wait before the watch is opened again.
pub const WATCH_RETRY_MAX: Duration = Duration::from_secs(5);
/// How often a move to another stream looks whether all sessions have arrived there.
pub const WATCH_MOVE_CHECK: Duration = Duration::from_millis(500);
/// Acks waiting to go upward, by device; another device's ack is dropped (it only delays retention
/// and receipts).
pub const ACKS_PENDING_MAX: usize = 1_000_000;

/// Log lines about misbehaving peers per [`LOG_WINDOW`]; the rest is only counted.
pub const LOG_LINES_PER_WINDOW: u32 = 10;
/// See [`LOG_LINES_PER_WINDOW`].
pub const LOG_WINDOW: Duration = Duration::from_secs(10);

/// Connections to the operator's listener at a time; others wait.
pub const OPERATOR_CONNECTIONS_MAX: usize = 64;
/// A request there must arrive, and its answer be taken, within this time.
pub const OPERATOR_TIMEOUT: Duration = Duration::from_secs(10);
/// Fetch nodes of another store that the operator is told of.
pub const WATCH_OTHER_STORES_MAX: usize = 16;
