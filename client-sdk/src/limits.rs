//! Every limit of the SDK; those of the wire are in [`nudge_proto::limits`].

use std::time::Duration;

/// A TCP connection, and a TLS handshake, must stand within this time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A request that is no transfer must be answered within this time.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A transfer that moves nothing for this time is begun again from where it stands.
pub const TRANSFER_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP connections that are not used are closed after this time.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// A frame must be taken by the server's socket within this time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Attempts of one request before the app is told that the server cannot be reached.
pub const REQUEST_ATTEMPTS: u32 = 3;
/// The shortest wait between attempts.
pub const RETRY_MIN: Duration = Duration::from_millis(250);
/// The longest wait between attempts.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// A message that could not be sent in this time is given up.
pub const OUTBOX_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages that wait to be sent.
pub const OUTBOX_MESSAGES_MAX: u64 = 10_000;
/// Conversations that messages are sent to at a time.
pub const OUTBOX_CONVERSATIONS_AT_ONCE: usize = 8;
/// Outcomes of sends that are remembered for the app.
pub const OUTCOMES_MAX: u64 = 10_000;
/// Files uploaded at a time.
pub const UPLOADS_AT_ONCE: usize = 2;
/// Files of one message.
pub const FILES_PER_MESSAGE_MAX: usize = nudge_proto::limits::MEDIA_PER_MESSAGE_MAX;

/// Updates that wait for the app to confirm them; the inbox is not read further meanwhile.
pub const UPDATES_UNCONFIRMED_MAX: u64 = 10_000;
/// Ids of received messages that are remembered.
pub const RECEIVED_IDS_MAX: u64 = 1_000_000;
/// Passing events that a slow listener may be behind before it misses some.
pub const EVENTS_KEPT: usize = 1024;
/// Updates read from the state at a time.
pub const UPDATES_READ_AT_ONCE: u32 = 100;
/// An answer that is no transfer, in bytes: a page and what is around it.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
