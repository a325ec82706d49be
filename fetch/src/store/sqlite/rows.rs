//! Rows from and to domain values.

use nudge_proto::{Epoch, InboxSeq};
use serde::Serialize;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use crate::{
    objects::ObjectName,
    store::{
        ConversationKind, Medium, Role, StoreError, UnixMs,
        stored::{parse_kind, parse_role},
    },
};

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

/// Values for `json_each`: one statement, however many. Ids are text there, for `unhex(_, '-')`.
pub(super) fn json<T: Serialize>(values: &T) -> Result<String, StoreError> {
    serde_json::to_string(values)
        .map_err(|error| StoreError::Damaged(format!("values that are no JSON: {error}")))
}

pub(super) fn digest(row: &SqliteRow, column: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| {
            bytes.try_into().map_err(|_| StoreError::Damaged(format!("{column} has not 32 bytes")))
        })
        .transpose()
}

/// A digest that is always there.
pub(super) fn required_digest(row: &SqliteRow, column: &str) -> Result<[u8; 32], StoreError> {
    digest(row, column)?.ok_or_else(|| StoreError::Damaged(format!("{column} is missing")))
}

pub(super) fn kind(row: &SqliteRow) -> Result<ConversationKind, StoreError> {
    parse_kind(row.try_get("kind")?)
}

pub(super) fn role(row: &SqliteRow) -> Result<Role, StoreError> {
    parse_role(row.try_get("role")?)
}

/// A row of `media`, if it is complete.
pub(super) fn medium(row: &SqliteRow) -> Result<Option<Medium>, StoreError> {
    let Some(sha256) = digest(row, "sha256")? else {
        return Ok(None);
    };
    Ok(Some(Medium {
        id: id(row, "id")?,
        object: row.try_get("object").map(ObjectName)?,
        file_name: row.try_get("file_name")?,
        content_type: row.try_get("content_type")?,
        size: number(row, "size")?,
        sha256,
        completed_at: time(row, "completed_at")?,
    }))
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
pub(super) async fn epoch(connection: &mut SqliteConnection) -> Result<Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM store").fetch_one(connection).await?;
    Ok(Epoch(epoch.cast_unsigned()))
}
