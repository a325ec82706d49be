//! Rows to domain values, whichever database they come from.
//!
//! Columns have the same names and meaning in every store; what reads them is written once.

mod content;
mod operations;
mod people;

use nudge_proto::ConversationSeq;
use sqlx::{Decode, Postgres, Row, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    ConversationKind, Role, StoreError, UnixMs,
    stored::{parse_kind, parse_role},
};
pub(super) use content::*;
pub(super) use operations::*;
pub(super) use people::*;

/// A type that both databases have.
pub(super) trait Stored:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Stored for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// A row of either database.
pub(super) trait StoredRow {
    /// A column's value.
    fn read<T: Stored>(&self, column: &str) -> Result<T, StoreError>;

    /// Bytes that may be absent, where they lie.
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, StoreError>;
}

impl StoredRow for SqliteRow {
    fn read<T: Stored>(&self, column: &str) -> Result<T, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

impl StoredRow for PgRow {
    fn read<T: Stored>(&self, column: &str) -> Result<T, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

/// An id of any kind.
pub(super) fn id<I: From<Uuid>>(row: &impl StoredRow, column: &str) -> Result<I, StoreError> {
    row.read::<Uuid>(column).map(I::from)
}

/// An id that may be absent.
pub(super) fn optional_id<I: From<Uuid>>(
    row: &impl StoredRow,
    column: &str,
) -> Result<Option<I>, StoreError> {
    Ok(row.read::<Option<Uuid>>(column)?.map(I::from))
}

/// A number that is never negative.
pub(super) fn number(row: &impl StoredRow, column: &str) -> Result<u64, StoreError> {
    natural(row.read(column)?, column)
}

/// A number that may be absent.
pub(super) fn optional_number(
    row: &impl StoredRow,
    column: &str,
) -> Result<Option<u64>, StoreError> {
    row.read::<Option<i64>>(column)?.map(|number| natural(number, column)).transpose()
}

fn natural(number: i64, column: &str) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::Damaged(format!("{column} is negative: {number}")))
}

/// A number as databases store it; ours stay far below 2^63.
pub(super) const fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A number within a conversation.
pub(super) fn seq(row: &impl StoredRow, column: &str) -> Result<ConversationSeq, StoreError> {
    number(row, column).map(ConversationSeq)
}

pub(super) fn time(row: &impl StoredRow, column: &str) -> Result<UnixMs, StoreError> {
    number(row, column).map(UnixMs)
}

pub(super) fn digest(row: &impl StoredRow, column: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let wrong = |_| StoreError::Damaged(format!("{column} has not 32 bytes"));
    row.bytes(column)?.map(|bytes| bytes.try_into().map_err(wrong)).transpose()
}

/// A digest that is always there.
pub(super) fn required_digest(row: &impl StoredRow, column: &str) -> Result<[u8; 32], StoreError> {
    digest(row, column)?.ok_or_else(|| StoreError::Damaged(format!("{column} is missing")))
}

pub(super) fn kind(row: &impl StoredRow) -> Result<ConversationKind, StoreError> {
    parse_kind(&row.read::<String>("kind")?)
}

pub(super) fn role(row: &impl StoredRow) -> Result<Role, StoreError> {
    parse_role(&row.read::<String>("role")?)
}
