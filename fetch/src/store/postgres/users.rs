//! Rows of `users`, and who holds them.
//!
//! They stand after conversations in the order of locks. Whoever needs somebody to stay
//! alive holds his row's key; whoever counts what he has holds the row; his deletion holds all of it.

use nudge_proto::UserId;
use sqlx::PgConnection;

use super::arguments::ids;
use crate::store::StoreError;

/// How many of the users are alive; they stay so until this transaction ends. `users` has no doubles.
pub(super) async fn hold_alive(
    db: &mut PgConnection,
    users: &[UserId],
) -> Result<usize, StoreError> {
    let alive = sqlx::query(
        "SELECT 1 FROM users WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE",
    )
    .bind(ids(users))
    .fetch_all(db)
    .await?;
    Ok(alive.len())
}

/// Nobody else counts or changes what the user has until this transaction ends.
///
/// # Errors
///
/// [`StoreError::NotFound`] for who is not or no more alive.
pub(super) async fn hold_for_counting(
    db: &mut PgConnection,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE")
        .bind(user.uuid())
        .fetch_optional(db)
        .await?
        .map(|_| ())
        .ok_or(StoreError::NotFound("user"))
}

/// Whether `user` blocks `other`.
pub(super) async fn blocks(
    db: &mut PgConnection,
    user: UserId,
    other: UserId,
) -> Result<bool, StoreError> {
    let blocks = sqlx::query("SELECT 1 FROM blocks WHERE user_id = $1 AND blocked_id = $2")
        .bind(user.uuid())
        .bind(other.uuid())
        .fetch_optional(db)
        .await?;
    Ok(blocks.is_some())
}
