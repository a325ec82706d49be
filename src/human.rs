//! Numbers as people read them.

use indicatif::HumanBytes;

/// "512 B", "1.00 KiB", "38.20 MiB".
pub(crate) fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}
