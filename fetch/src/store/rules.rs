//! Decisions of the store as pure functions, the same for every implementation.

mod receipts;
mod refresh;
mod sending;

pub use receipts::{MarkedMember, receipt_for};
pub use refresh::{RefreshVerdict, judge_refresh};
pub use sending::send_digest;
