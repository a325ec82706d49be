//! Every limit of the content service that is not on the wire; those are in
//! [`nudge_proto::limits`].

use std::time::Duration;

/// Connections at a time, over all addresses.
pub const CONNECTIONS_MAX: usize = 20_000;
/// A TLS handshake must be done within this time.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's head must arrive within this time.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this time: it costs far more than an idle signal
/// connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The peer must take some of what is written to it within this time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The peer must take some of an answer's body within this time. It is longer than what a connection's
/// peer has: a slow one takes its time over what is buffered.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests at a time on one HTTP/2 connection.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// An HTTP/2 connection is asked for a sign of life this often.
pub const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A request that is no transfer must be answered within this time.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A request id that is longer, or has other bytes than letters, digits and `-_.`, is replaced.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// An upload's body must bring something within this time.
pub const UPLOAD_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Writes at a time that go on without their client; more are refused.
pub const DETACHED_WRITES_MAX: usize = 4096;
/// Bytes that an HTTP/1.1 connection gathers before its peer takes them, of a head and of an answer; one
/// chunk of a medium comes on top.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Bytes that an HTTP/2 stream gathers before its peer takes them; one chunk of a medium comes on top.
pub const HTTP2_STREAM_BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Whether a user may read a medium is asked again after this time: a download in many ranges does not ask
/// for each, and a grant that ended is noticed within the second that a revocation has.
pub const GRANT_TIME: Duration = Duration::from_secs(1);
/// Grants that are remembered for that time.
pub const GRANTS_MAX: usize = 4096;
/// A part of a medium that is larger gets no Content-Digest: it would have to be read twice.
pub const CONTENT_DIGEST_BYTES_MAX: u64 = 8 << 20;
/// Requests of one user that write to uploads at a time.
pub const APPENDS_PER_USER_MAX: usize = 32;
/// In flight requests get this time when the service stops.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Passwords hashed or checked at a time: each takes 19 MiB and tens of milliseconds of a core.
pub const PASSWORD_CHECKS_AT_ONCE: usize = 2;
/// Passwords that may wait for their turn.
pub const PASSWORD_CHECKS_WAITING: usize = 64;
/// Log in attempts per handle and minute.
pub const ATTEMPTS_PER_MINUTE: u32 = 20;
/// Log ins and registrations per address and minute, an IPv6 network of 64 bits being one: far from what
/// the checks can take, so that one address leaves room for others. All that come through one proxy share it.
pub const ATTEMPTS_PER_ADDRESS_AND_MINUTE: u32 = 600;
/// Handles whose attempts are remembered, before the oldest are forgotten.
pub const ATTEMPT_KEYS_MAX: usize = 100_000;

/// An access token's life.
pub const ACCESS_TOKEN_TIME: Duration = Duration::from_secs(10 * 60);
/// A link's life. No longer than an access token's: revocations and retired keys are remembered for that.
pub const LINK_TIME: Duration = ACCESS_TOKEN_TIME;
/// Access tokens whose signature is not checked again.
pub const CHECKED_TOKENS_MAX: usize = 16_384;
/// An access token may be from this far ahead of this node's clock.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);
/// A wall clock that steps ahead by more is doubted: retention does not follow it.
pub const CLOCK_STEP_MAX: Duration = Duration::from_secs(3600);
/// After this time a doubted clock is believed.
pub const CLOCK_STEP_STANDS: Duration = Duration::from_secs(24 * 3600);
/// A connect ticket's life.
pub const TICKET_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The keys are read again for a token of an unknown key, but not within this time.
pub const KEYS_READ_AGAIN: Duration = Duration::from_secs(1);
/// A key makes tokens for this time.
pub const KEY_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// An unfinished upload is removed when it made no progress for this time: the week that an outbox goes on
/// trying, and a day more.
pub const UPLOAD_TIME: Duration = Duration::from_secs(8 * 24 * 3600);
/// What lies under the id of a medium that the store does not know stays for this time: longer than any node
/// goes on with a database that was replaced.
pub const ORPHANS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Signal nodes that one fetch node serves.
pub const WATCH_STREAMS_MAX: usize = 1024;
/// The store must answer the watch within this time.
pub const WATCH_LOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// A store that does not answer the watch for this time, and for a fifth of a heartbeat, is given up.
pub const WATCH_DARK_MIN: Duration = Duration::from_secs(2);
/// Bytes that wait for the socket of a watch, before nothing more is taken from its queue.
pub const WATCH_SEND_BYTES: usize = 64 * 1024;
/// Streams get this time to leave a node that stops.
pub const WATCH_MOVE_TIME: Duration = Duration::from_secs(5);
/// Devices that one watch stream may hold.
pub const WATCH_SESSIONS_MAX: usize = 4_000_000;
/// Messages above a read mark among which those of others are counted as unread: who says more than that
/// without ever reading is not told of what came after.
pub const UNREAD_WALK_MAX: u32 = 10_000;
/// Inbox entries that one step of an account's deletion removes.
pub const DELETED_ENTRIES_AT_ONCE: u32 = 2000;

/// Numbers that one span of what is accounted for may have; longer ones are cut into several.
pub const SPAN_NUMBERS_MAX: u64 = 256;
/// Spans that one move of a mark is cut into; what it moved over beyond them is not accounted for.
pub const MARK_SPANS_MAX: u64 = 64;
/// Spans that are accounted for with one look at the store.
pub const SPANS_AT_ONCE: usize = 64;
/// Spans that may wait to be accounted for; more are only counted as missed.
pub const SPANS_WAITING_MAX: usize = 16_384;
/// Milestones of messages that a node remembers, about 64 bytes each.
pub const MILESTONES_REMEMBERED: usize = 32_768;
/// Where the operator's counts of rows end.
pub const STATS_COUNT_MAX: u64 = 1_000_000;
/// Sessions that the operator is shown on one page.
pub const SESSIONS_PAGE_MAX: usize = 1000;
/// A dependency must answer a question for its health within this time.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Health is not asked for more often than this, however often somebody wants to know.
pub const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// Users, devices and connections of each kind of event that may wait for the bus; more are lost, which the
/// other nodes notice.
pub const BUS_WAITING_MAX: usize = 65_536;
/// Typing that may wait for the bus, in parts of 128 recipients.
pub const BUS_TYPING_WAITING_MAX: usize = 1024;
/// Fetch nodes whose batches are followed.
pub const BUS_PEERS_MAX: usize = 1024;
/// A node that has nothing to tell shows this often that it lives, so that losses are noticed.
pub const BUS_SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(2);
/// What carries the bus must answer within this time, or is left.
pub const BUS_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest wait before the bus is connected again.
pub const BUS_RECONNECT_MIN: Duration = Duration::from_millis(100);
/// The longest.
pub const BUS_RECONNECT_MAX: Duration = Duration::from_secs(5);
/// What still waits for the bus when the service stops gets this time.
pub const BUS_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Keys are read every ten minutes; when they were not for this long, something is wrong.
pub const KEYS_STALE: Duration = Duration::from_secs(35 * 60);
