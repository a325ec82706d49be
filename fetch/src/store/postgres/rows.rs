//! Rows from and to domain values.

use nudge_proto::{Epoch, InboxSeq};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    objects::ObjectName,
    store::{
        ConversationKind, Medium, Role, StoreError, UnixMs,
        stored::{parse_kind, parse_role},
    },
};

pub(super) fn id<I: From<Uuid>>(row: &PgRow, column: &str) -> Result<I, StoreError> {
    let id: Uuid = row.try_get(column)?;
    Ok(id.into())
}
pub(super) fn ids<I: Copy + Into<Uuid>>(ids: &[I]) -> Vec<Uuid> {
    ids.iter().map(|id| (*id).into()).collect()
}
pub(super) fn optional_id<I: From<Uuid>>(
    row: &PgRow,
    column: &str,
) -> Result<Option<I>, StoreError> {
    let id: Option<Uuid> = row.try_get(column)?;
    Ok(id.map(I::from))
}
pub(super) fn number(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number)
        .map_err(|_| StoreError::Damaged(format!("{column} is negative: {number}")))
}
pub(super) fn optional_number(row: &PgRow, column: &str) -> Result<Option<u64>, StoreError> {
    let number: Option<i64> = row.try_get(column)?;
    number
        .map(|number| {
            u64::try_from(number)
                .map_err(|_| StoreError::Damaged(format!("{column} is negative: {number}")))
        })
        .transpose()
}
pub(super) fn time(row: &PgRow, column: &str) -> Result<UnixMs, StoreError> {
    number(row, column).map(UnixMs)
}
pub(super) const fn int(number: u64) -> i64 {
    number.cast_signed()
}
pub(super) fn digest(row: &PgRow, column: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| {
            bytes.try_into().map_err(|_| StoreError::Damaged(format!("{column} has not 32 bytes")))
        })
        .transpose()
}
pub(super) fn required_digest(row: &PgRow, column: &str) -> Result<[u8; 32], StoreError> {
    digest(row, column)?.ok_or_else(|| StoreError::Damaged(format!("{column} is missing")))
}
pub(super) fn kind(row: &PgRow) -> Result<ConversationKind, StoreError> {
    parse_kind(row.try_get("kind")?)
}
pub(super) fn role(row: &PgRow) -> Result<Role, StoreError> {
    parse_role(row.try_get("role")?)
}
pub(super) fn medium(row: &PgRow) -> Result<Option<Medium>, StoreError> {
    let Some(sha256) = digest(row, "sha256")? else { return Ok(None) };
    Ok(Some(Medium {
        id: id(row, "id")?,
        file_name: row.try_get("file_name")?,
        content_type: row.try_get("content_type")?,
        size: number(row, "size")?,
        sha256,
        completed_at: time(row, "completed_at")?,
        object: row.try_get("object").map(ObjectName)?,
    }))
}
pub(super) async fn inbox_head(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<InboxSeq, StoreError> {
    let head: Option<i64> = sqlx::query_scalar("SELECT head FROM inboxes WHERE user_id = $1")
        .bind(user)
        .fetch_optional(connection)
        .await?;
    Ok(InboxSeq(head.unwrap_or(0).cast_unsigned()))
}
pub(super) async fn epoch(connection: &mut PgConnection) -> Result<Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM store").fetch_one(connection).await?;
    Ok(Epoch(epoch.cast_unsigned()))
}
