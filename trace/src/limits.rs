//! The limits of the export.

use std::time::Duration;

/// Finished spans that wait for the exporter, some 1 KiB each; more are lost.
pub(crate) const SPANS_WAITING_MAX: usize = 8192;
/// Spans of one request to the collector.
pub(crate) const SPANS_PER_REQUEST_MAX: usize = 512;
/// How long a span waits for others to share its request.
pub(crate) const GATHER_TIME: Duration = Duration::from_millis(200);
/// Within which the collector has to answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest wait before the same spans are sent again.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest, unless the collector asks for more.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(10);
/// The longest wait that a collector may ask for.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// What is read of an answer, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What is shown of a reason that the collector gives, in characters.
pub(crate) const REASON_CHARS_MAX: usize = 200;
/// Between two log lines about the same trouble.
pub(crate) const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// What the end of the process waits for its last spans.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
