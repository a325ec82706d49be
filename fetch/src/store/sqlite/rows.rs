//! Rows from and to domain values.

use bytes::Bytes;
use nudge_proto::{ConversationSeq, InboxSeq, pb::content as pb};
use prost::Message as _;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use crate::store::{Change, ChangeKind, HistoryItem, Medium, Message, Role, StoreError, UnixMs};

/// An id of any kind.
pub(super) fn id<I: From<Uuid>>(row: &SqliteRow, column: &str) -> Result<I, StoreError> {
    let id: Uuid = row.try_get(column)?;
    Ok(id.into())
}

/// An id that may be absent.
pub(super) fn optional_id<I: From<Uuid>>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<I>, StoreError> {
    let id: Option<Uuid> = row.try_get(column)?;
    Ok(id.map(I::from))
}

/// A number that is never negative.
pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number)
        .map_err(|_| StoreError::Damaged(format!("{column} is negative: {number}")))
}

/// A number that may be absent.
pub(super) fn optional_number(row: &SqliteRow, column: &str) -> Result<Option<u64>, StoreError> {
    let number: Option<i64> = row.try_get(column)?;
    number
        .map(|number| {
            u64::try_from(number)
                .map_err(|_| StoreError::Damaged(format!("{column} is negative: {number}")))
        })
        .transpose()
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<UnixMs, StoreError> {
    number(row, column).map(UnixMs)
}

/// A number as SQLite stores it; ours stay far below 2^63.
pub(super) const fn int(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn digest(row: &SqliteRow, column: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| {
            bytes.try_into().map_err(|_| StoreError::Damaged(format!("{column} is no SHA-256")))
        })
        .transpose()
}

pub(super) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

pub(super) fn role(row: &SqliteRow) -> Result<Role, StoreError> {
    let word: String = row.try_get("role")?;
    match word.as_str() {
        "member" => Ok(Role::Member),
        "admin" => Ok(Role::Admin),
        other => Err(StoreError::Damaged(format!("unknown role {other:?}"))),
    }
}

/// The columns that [`history_item`] reads, from `messages m`.
pub(super) const MESSAGE_COLUMNS: &str = "m.conversation_id, m.seq, m.id, m.sender_id, m.change, \
     m.client_id, m.content_type, m.body, m.media_count, m.sent_at, m.expires_at";

/// A message without its media, or a change.
pub(super) fn history_item(row: &SqliteRow) -> Result<HistoryItem, StoreError> {
    let change: Option<Vec<u8>> = row.try_get("change")?;
    if let Some(change) = change {
        return Ok(HistoryItem::Change(decode_change(row, &change)?));
    }
    let body: Vec<u8> = row.try_get("body")?;
    Ok(HistoryItem::Message(Message {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: ConversationSeq(number(row, "seq")?),
        sender_id: id(row, "sender_id")?,
        client_id: id(row, "client_id")?,
        content_type: row.try_get("content_type")?,
        body: Bytes::from(body),
        media: Vec::with_capacity(number(row, "media_count")? as usize),
        sent_at: time(row, "sent_at")?,
        expires_at: optional_number(row, "expires_at")?.map(UnixMs),
    }))
}

/// Fills in the media of a message that was read by [`history_item`].
pub(super) async fn load_media(
    connection: &mut SqliteConnection,
    message: &mut Message,
) -> Result<(), StoreError> {
    if message.media.capacity() == 0 {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT media.* FROM grants JOIN media ON media.id = grants.medium_id \
         WHERE grants.conversation_id = ? AND grants.conversation_seq = ? ORDER BY position",
    )
    .bind(message.conversation_id.uuid())
    .bind(int(message.seq.0))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        message.media.extend(medium(row)?);
    }
    Ok(())
}

/// A row of `media`, if it is complete.
pub(super) fn medium(row: &SqliteRow) -> Result<Option<Medium>, StoreError> {
    let Some(sha256) = digest(row, "sha256")? else {
        return Ok(None);
    };
    Ok(Some(Medium {
        id: id(row, "id")?,
        file_name: row.try_get("file_name")?,
        content_type: row.try_get("content_type")?,
        size: number(row, "size")?,
        sha256,
        completed_at: time(row, "completed_at")?,
    }))
}

/// What of a change is not in the message's own columns.
pub(super) fn encode_change(kind: &ChangeKind) -> Vec<u8> {
    let mut change = pb::Change::default();
    let (kind, user, role, title) = match kind {
        ChangeKind::Created => (pb::ChangeKind::Created, None, None, None),
        ChangeKind::Joined(user, role) => (pb::ChangeKind::Joined, Some(user), Some(role), None),
        ChangeKind::Left(user) => (pb::ChangeKind::Left, Some(user), None, None),
        ChangeKind::Removed(user) => (pb::ChangeKind::Removed, Some(user), None, None),
        ChangeKind::Role(user, role) => (pb::ChangeKind::Role, Some(user), Some(role), None),
        ChangeKind::Title(title) => (pb::ChangeKind::Title, None, None, Some(title)),
    };
    change.set_kind(kind);
    change.user_id = user.map(ToString::to_string);
    change.role = role.map(|role| match role {
        Role::Member => pb::Role::Member.into(),
        Role::Admin => pb::Role::Admin.into(),
    });
    change.title = title.cloned();
    change.encode_to_vec()
}

fn decode_change(row: &SqliteRow, bytes: &[u8]) -> Result<Change, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a change with {what}"));
    let change = pb::Change::decode(bytes).map_err(|error| damaged(&error.to_string()))?;
    let user = || {
        let user = change.user_id.as_deref().ok_or_else(|| damaged("no user"))?;
        user.parse().map_err(|_| damaged("a user that is no id"))
    };
    let role = if change.role() == pb::Role::Admin { Role::Admin } else { Role::Member };
    let kind = match change.kind() {
        pb::ChangeKind::Unspecified => return Err(damaged("no kind")),
        pb::ChangeKind::Created => ChangeKind::Created,
        pb::ChangeKind::Joined => ChangeKind::Joined(user()?, role),
        pb::ChangeKind::Left => ChangeKind::Left(user()?),
        pb::ChangeKind::Removed => ChangeKind::Removed(user()?),
        pb::ChangeKind::Role => ChangeKind::Role(user()?, role),
        pb::ChangeKind::Title => ChangeKind::Title(change.title.clone().unwrap_or_default()),
    };
    Ok(Change {
        id: id(row, "id")?,
        conversation_id: id(row, "conversation_id")?,
        seq: ConversationSeq(number(row, "seq")?),
        actor: id(row, "sender_id")?,
        kind,
        at: time(row, "sent_at")?,
    })
}

/// A user's inbox head.
pub(super) async fn inbox_head(
    connection: &mut SqliteConnection,
    user: Uuid,
) -> Result<InboxSeq, StoreError> {
    let head: Option<i64> = sqlx::query_scalar("SELECT head FROM inboxes WHERE user_id = ?")
        .bind(user)
        .fetch_optional(connection)
        .await?;
    Ok(InboxSeq(head.unwrap_or(0).cast_unsigned()))
}

/// The store's epoch.
pub(super) async fn epoch(
    connection: &mut SqliteConnection,
) -> Result<nudge_proto::Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM store").fetch_one(connection).await?;
    Ok(nudge_proto::Epoch(epoch.cast_unsigned()))
}
