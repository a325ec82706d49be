//! Decisions of the store as pure functions, the same for every implementation.

mod acks;
mod creation;
mod digest;
mod membership;
mod paging;
mod quotas;
mod receipts;
mod refresh;
mod retention;
mod sending;

pub use acks::{DeviceKey, DeviceMark, judge_ack, judge_acks};
pub use creation::{HandleOwner, direct_other, group_others, judge_group_retry, judge_handle};
pub use digest::{group_digest, send_digest};
pub use membership::{Room, Seat};
pub use paging::{PageRoom, row_weight};
pub use quotas::{MediaUse, judge_new_block, judge_new_device, judge_upload, judge_upload_retry};
pub use receipts::{
    MarkedMember, RECEIPT_INTERVAL_MS, SETTLED_AT_ONCE, receipt_for, receipts_are_due, shown_marks,
};
pub use refresh::{RefreshVerdict, judge_refresh};
pub use retention::{days_before, media_expire_at};
pub use sending::{
    ConversationFacts, SendFacts, SendKey, SendVerdict, judge_sends, send_key, sends_within,
};
