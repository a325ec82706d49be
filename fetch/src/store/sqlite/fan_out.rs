//! Giving numbers within conversations, and entries in inboxes.

use nudge_proto::{
    ConversationId, ConversationSeq, DeviceId, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags},
};
use sqlx::{Row, SqliteConnection};

use super::rows::{encode_change, id, int, number};
use crate::store::{ChangeKind, Moved, StoreError, UnixMs};

/// What gets an entry in inboxes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    pub(super) conversation_id: ConversationId,
    pub(super) seq: ConversationSeq,
    /// The message's id; `None` for a change, which no notice names.
    pub(super) message_id: Option<MessageId>,
    pub(super) flags: NoticeFlags,
    pub(super) now: UnixMs,
}

/// Whose inboxes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Audience {
    /// Every present member.
    Members,
    /// One user: the other side must not know.
    Only(UserId),
}

/// The next number of a conversation.
pub(super) async fn next_seq(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
) -> Result<ConversationSeq, StoreError> {
    let row = sqlx::query("UPDATE conversations SET head = head + 1 WHERE id = ? RETURNING head")
        .bind(conversation_id.uuid())
        .fetch_one(db)
        .await?;
    Ok(ConversationSeq(number(&row, "head")?))
}

/// Writes a change under the conversation's next number, and fans it out to the present members.
pub(super) async fn write_change(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    actor: (UserId, Option<DeviceId>),
    kind: &ChangeKind,
    now: UnixMs,
) -> Result<(ConversationSeq, Vec<Moved>), StoreError> {
    let seq = next_seq(db, conversation_id).await?;
    let change = encode_change(kind);
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, sender_id, change, client_id, sent_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(conversation_id.uuid())
    .bind(int(seq.0))
    .bind(MessageId::at_time(now.0).uuid())
    .bind(actor.0.uuid())
    .bind(change)
    .bind(uuid::Uuid::nil())
    .bind(int(now.0))
    .execute(&mut *db)
    .await?;
    let numbered =
        Numbered { conversation_id, seq, message_id: None, flags: NoticeFlags::CHANGE, now };
    let mut moved = fan_out(db, numbered, Audience::Members).await?;
    name_actor(&mut moved, actor);
    Ok((seq, moved))
}

/// Gives every inbox of the audience its next number for this entry.
pub(super) async fn fan_out(
    db: &mut SqliteConnection,
    entry: Numbered,
    audience: Audience,
) -> Result<Vec<Moved>, StoreError> {
    // Both statements name the same inboxes: those of the audience, whose heads just moved.
    let (raise, insert, key) = match audience {
        Audience::Members => (
            "UPDATE inboxes SET head = head + 1, newest_message = coalesce(?2, newest_message) \
             WHERE user_id IN (SELECT user_id FROM members WHERE conversation_id = ?1) \
             RETURNING user_id, head",
            "INSERT INTO inbox_entries (user_id, seq, conversation_id, conversation_seq, created_at) \
             SELECT user_id, head, ?2, ?3, ?4 FROM inboxes \
             WHERE user_id IN (SELECT user_id FROM members WHERE conversation_id = ?1)",
            entry.conversation_id.uuid(),
        ),
        Audience::Only(user_id) => (
            "UPDATE inboxes SET head = head + 1, newest_message = coalesce(?2, newest_message) \
             WHERE user_id = ?1 RETURNING user_id, head",
            "INSERT INTO inbox_entries (user_id, seq, conversation_id, conversation_seq, created_at) \
             SELECT user_id, head, ?2, ?3, ?4 FROM inboxes WHERE user_id = ?1",
            user_id.uuid(),
        ),
    };
    let rows = sqlx::query(raise)
        .bind(key)
        .bind(entry.message_id.map(MessageId::uuid))
        .fetch_all(&mut *db)
        .await?;
    sqlx::query(insert)
        .bind(key)
        .bind(entry.conversation_id.uuid())
        .bind(int(entry.seq.0))
        .bind(int(entry.now.0))
        .execute(db)
        .await?;
    let moved = |row: &sqlx::sqlite::SqliteRow| {
        let notice = Notice {
            head: InboxSeq(number(row, "head")?),
            message_id: entry.message_id,
            flags: entry.flags,
        };
        Ok(Moved { user_id: id(row, "user_id")?, notice, except_device_id: None })
    };
    rows.iter().map(moved).collect()
}

/// The actor's own device needs no notice of what it did.
pub(super) fn name_actor(moved: &mut [Moved], actor: (UserId, Option<DeviceId>)) {
    for moved in moved.iter_mut().filter(|moved| moved.user_id == actor.0) {
        moved.except_device_id = actor.1;
    }
}

/// Gives one inbox an entry that has no number in a conversation: a receipt.
pub(super) async fn put_receipt(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    receipt: &[u8],
    now: UnixMs,
) -> Result<Moved, StoreError> {
    sqlx::query(
        "DELETE FROM inbox_entries \
         WHERE user_id = ? AND conversation_id = ? AND receipt IS NOT NULL",
    )
    .bind(user_id.uuid())
    .bind(conversation_id.uuid())
    .execute(&mut *db)
    .await?;
    let head: i64 =
        sqlx::query("UPDATE inboxes SET head = head + 1 WHERE user_id = ? RETURNING head")
            .bind(user_id.uuid())
            .fetch_one(&mut *db)
            .await?
            .try_get("head")?;
    sqlx::query(
        "INSERT INTO inbox_entries (user_id, seq, conversation_id, receipt, created_at) \
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(user_id.uuid())
    .bind(head)
    .bind(conversation_id.uuid())
    .bind(receipt)
    .bind(int(now.0))
    .execute(db)
    .await?;
    let notice = Notice {
        head: InboxSeq(head.cast_unsigned()),
        message_id: None,
        flags: NoticeFlags::RECEIPT,
    };
    Ok(Moved { user_id, notice, except_device_id: None })
}
