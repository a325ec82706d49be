//! Decisions of the store as pure functions, the same for every implementation.

mod acks;
mod digest;
mod membership;
mod receipts;
mod refresh;
mod retention;
mod sending;

pub use acks::{DeviceMark, judge_ack};
pub use digest::{group_digest, send_digest};
pub use membership::{Room, Seat};
pub use receipts::{MarkedMember, receipt_for, shown_marks};
pub use refresh::{RefreshVerdict, judge_refresh};
pub use retention::{days_before, media_expire_at};
pub use sending::{
    ConversationFacts, SendFacts, SendKey, SendVerdict, judge_sends, send_key, sends_within,
};
