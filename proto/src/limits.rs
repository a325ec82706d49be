//! Every limit of the wire and of what it carries.

use std::time::Duration;

/// A client frame's longest encoding, in bytes, without its length prefix.
pub const CLIENT_FRAME_BYTES_MAX: usize = 4096;
/// A server frame's longest encoding, in bytes, without its length prefix.
pub const SERVER_FRAME_BYTES_MAX: usize = 1024;
/// A notice's longest form on TCP, in bytes, with its length prefix.
pub const NOTICE_BYTES_MAX: usize = 32;
/// The highest inbox number: keeps a notice within its limit and JSON numbers exact.
pub const INBOX_SEQ_MAX: u64 = (1 << 49) - 1;

/// A hello must arrive within this time of connecting.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A frame must be taken by the peer's socket within this time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A welcome must follow the hello within this time, or the client tries again.
pub const WELCOME_TIMEOUT: Duration = Duration::from_secs(20);
/// A ticket refused within this time of its renewal is refused for good; later it is renewed again.
pub const TICKET_FRESH_TIME: Duration = Duration::from_secs(600);
/// The shortest heartbeat a server may ask for.
pub const HEARTBEAT_MIN: Duration = Duration::from_secs(30);
/// The heartbeat when neither side wishes another.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(240);
/// The longest heartbeat, unless the configuration sets another ceiling.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(600);
/// Acks are gathered at most this long before they go upward.
pub const ACK_BATCH_DELAY: Duration = Duration::from_secs(1);

/// Text fields of a hello, in bytes each.
pub const HELLO_TEXT_BYTES_MAX: usize = 64;
/// An error frame's text, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 256;
/// An address in a go_away, in bytes: the longest DNS name, a colon and a port.
pub const ADDRESS_BYTES_MAX: usize = 253 + 1 + 5;

/// The fewest characters of a handle.
pub const HANDLE_LENGTH_MIN: usize = 3;
/// The most characters of a handle.
pub const HANDLE_LENGTH_MAX: usize = 32;
/// A display name or a device name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// A conversation's title, in bytes.
pub const TITLE_BYTES_MAX: usize = 256;
/// The fewest bytes of a password.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// The most bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// A message's body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A content type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// A medium's file name, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Media that one message may name.
pub const MEDIA_PER_MESSAGE_MAX: usize = 32;
/// Members of a group.
pub const GROUP_MEMBERS_MAX: usize = 1024;
/// Active devices of one user.
pub const DEVICES_PER_USER_MAX: usize = 32;
/// Users that one user may block.
pub const BLOCKS_PER_USER_MAX: usize = 10_000;
/// The longest time to live of a message.
pub const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a send receipt answers retries.
pub const SEND_RECEIPT_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Entries of one inbox page.
pub const INBOX_PAGE_ENTRIES_MAX: usize = 500;
/// Content of one inbox or history page, in bytes, unless its first entry alone is larger.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Messages of one history page, conversations of one list page.
pub const LIST_PAGE_MAX: usize = 100;
/// Unread messages are counted up to here.
pub const UNREAD_COUNT_MAX: u32 = 1000;

/// What one cut of a transfer may cost, and the step in which uploads are made durable, in bytes.
pub const PART_BYTES: u64 = 8 * 1024 * 1024;
/// A JSON or protobuf request body, in bytes: a message's body in base64 and what is around it.
pub const REQUEST_BYTES_MAX: usize = 128 * 1024;

/// One message of the watch over gRPC, in bytes: a full batch of the largest items fits.
pub const WATCH_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// The HTTP/2 windows of a watch, in bytes: what one end sends ahead of what the other has read.
pub const WATCH_WINDOW_BYTES: u32 = 256 * 1024;
/// The time between two small messages of a watch, in one direction; what comes meanwhile goes together.
/// HTTP/2 ends a connection with many small frames that wait to be read, as an attack: some 700 at this
/// window. Within the time in which pings find a dead peer there are fewer.
pub const WATCH_MESSAGE_GAP: Duration = Duration::from_millis(10);
/// A message of a watch that has so many items is not small.
pub const WATCH_LARGE_BATCH: usize = 16;
/// Either end of a watch asks the other for a sign of life this often.
pub const WATCH_PING_INTERVAL: Duration = Duration::from_secs(3);
/// Without a sign of life within this time the watch is broken.
pub const WATCH_PING_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes of what a signal node calls itself.
pub const NODE_NAME_BYTES_MAX: usize = 128;
/// The fewest bytes of a watch secret.
pub const WATCH_SECRET_BYTES_MIN: usize = 16;
/// The most bytes of a watch secret.
pub const WATCH_SECRET_BYTES_MAX: usize = 512;
