//! Users, their devices, inboxes and marks.

use std::collections::HashMap;

use nudge_proto::{ConversationId, Cursor, DeviceId, Epoch, InboxSeq, UserId};

use super::{StoredRow, id, kind, number, optional_id, optional_number, role, seq, time};
use crate::store::{
    Account, Device, DeviceState, InboxPage, Member, StoreError, User,
    news::Told,
    rules::{HandleOwner, MarkedMember},
};

/// What others see of a row of `users`.
pub(in crate::store) fn user(row: &impl StoredRow) -> Result<User, StoreError> {
    let deleted = optional_number(row, "deleted_at")?.is_some();
    let handle = if deleted { String::new() } else { row.read("handle")? };
    Ok(User { id: id(row, "id")?, handle, display_name: row.read("display_name")? })
}

pub(in crate::store) fn account(row: &impl StoredRow) -> Result<Account, StoreError> {
    Ok(Account { user: user(row)?, password_hash: row.read("password_hash")? })
}

pub(in crate::store) fn handle_owner(row: &impl StoredRow) -> Result<HandleOwner, StoreError> {
    Ok(HandleOwner {
        request_id: optional_id(row, "request_id")?,
        deleted: optional_number(row, "deleted_at")?.is_some(),
    })
}

/// Rows of `members` with their users, by conversation.
pub(in crate::store) fn members_by_conversation(
    rows: &[impl StoredRow],
) -> Result<HashMap<ConversationId, Vec<Member>>, StoreError> {
    let mut members: HashMap<ConversationId, Vec<Member>> = HashMap::new();
    for row in rows {
        let member = Member { user: user(row)?, role: role(row)? };
        members.entry(id(row, "conversation_id")?).or_default().push(member);
    }
    Ok(members)
}

/// A row of `members`: how far its user came.
pub(in crate::store) fn marked_member(row: &impl StoredRow) -> Result<MarkedMember, StoreError> {
    Ok(MarkedMember {
        user_id: id(row, "user_id")?,
        delivered: seq(row, "delivered_seq")?,
        read: seq(row, "read_seq")?,
        newest_own: seq(row, "sent_seq")?,
    })
}

/// A row of `members`, with what its user was told of the others' marks.
pub(in crate::store) fn told(row: &impl StoredRow) -> Result<Told, StoreError> {
    Ok(Told {
        conversation_id: id(row, "conversation_id")?,
        kind: kind(row)?,
        member: marked_member(row)?,
        receipt: row.read("receipt")?,
    })
}

pub(in crate::store) fn device(row: &impl StoredRow) -> Result<Device, StoreError> {
    Ok(Device {
        id: id(row, "id")?,
        name: row.read("name")?,
        created_at: time(row, "created_at")?,
        acked: InboxSeq(number(row, "acked_seq")?),
    })
}

/// A device as the watch holds it, in a store of this epoch.
pub(in crate::store) fn device_state(
    row: &impl StoredRow,
    epoch: Epoch,
) -> Result<DeviceState, StoreError> {
    Ok(DeviceState {
        revoked: row.read("revoked")?,
        epoch,
        head: InboxSeq(optional_number(row, "head")?.unwrap_or(0)),
        newest_message: optional_id(row, "newest_message")?,
    })
}

/// A page of the inbox without entries, of a row of the store and the inbox.
pub(in crate::store) fn empty_page(
    row: &impl StoredRow,
    after: Cursor,
) -> Result<InboxPage, StoreError> {
    let epoch = Epoch(number(row, "epoch")?);
    if after.epoch != epoch {
        return Err(StoreError::EpochMismatch { given: after.epoch.0, current: epoch.0 });
    }
    let head = InboxSeq(optional_number(row, "head")?.ok_or(StoreError::NotFound("inbox"))?);
    if after.seq > head {
        return Err(StoreError::CursorAhead { given: after.seq.0, head: head.0 });
    }
    Ok(InboxPage {
        epoch,
        after: after.seq,
        through: after.seq,
        head,
        first_kept: InboxSeq(number(row, "first_kept")?),
        entries: Vec::new(),
    })
}

/// Rows of `devices`, by user: what each acknowledged.
pub(in crate::store) fn acked_by_user(
    rows: &[impl StoredRow],
) -> Result<HashMap<UserId, Vec<(DeviceId, InboxSeq)>>, StoreError> {
    let mut devices: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        let device = (id(row, "id")?, InboxSeq(number(row, "acked_seq")?));
        devices.entry(id(row, "user_id")?).or_default().push(device);
    }
    Ok(devices)
}
