//! What one user may have.

use nudge_proto::limits::{BLOCKS_PER_USER_MAX, DEVICES_PER_USER_MAX};

use crate::store::{NewUpload, StoreError};

/// What a user has of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaUse {
    /// Bytes of media and uploads together, as declared.
    pub bytes: u64,
    /// Uploads that are not complete.
    pub unfinished: usize,
}

/// Whether one more upload has room.
///
/// # Errors
///
/// [`StoreError::QuotaExceeded`], [`StoreError::LimitReached`].
pub fn judge_upload(new: &NewUpload, used: MediaUse) -> Result<(), StoreError> {
    let left = new.quota.bytes.saturating_sub(used.bytes);
    if new.size > left {
        return Err(StoreError::QuotaExceeded { needed: new.size, left });
    }
    check_room("unfinished uploads", used.unfinished, new.quota.unfinished)
}

/// Whether an upload that was made under the same client-made id is the one asked for.
///
/// # Errors
///
/// [`StoreError::IdempotencyConflict`].
pub fn judge_upload_retry(
    new: &NewUpload,
    size: u64,
    declared_sha256: Option<[u8; 32]>,
) -> Result<(), StoreError> {
    match new.request_id {
        Some(request_id) if (size, declared_sha256) != (new.size, new.declared_sha256) => {
            Err(StoreError::IdempotencyConflict(request_id.uuid()))
        }
        _ => Ok(()),
    }
}

/// Whether a user with `active` devices may have another.
///
/// # Errors
///
/// [`StoreError::LimitReached`].
pub const fn judge_new_device(active: usize) -> Result<(), StoreError> {
    check_room("devices", active, DEVICES_PER_USER_MAX)
}

/// Whether a user who blocks `blocked` others may block another.
///
/// # Errors
///
/// [`StoreError::LimitReached`].
pub const fn judge_new_block(blocked: usize) -> Result<(), StoreError> {
    check_room("blocked users", blocked, BLOCKS_PER_USER_MAX)
}

const fn check_room(what: &'static str, count: usize, limit: usize) -> Result<(), StoreError> {
    if count < limit { Ok(()) } else { Err(StoreError::LimitReached { what, limit }) }
}
