//! Deletions of accounts: taken away at once, and cleared away one bounded step at a time.
//!
//! Any node may do any step, and two may do the same one: the conversation's or the user's row lets one of
//! them go first, and the other finds it done.

use nudge_proto::{ConversationId, UserId};
use sqlx::PgConnection;

use super::{changes::Deed, locks::lock_conversation, members::leave};
use crate::{
    limits::DELETED_ENTRIES_AT_ONCE,
    store::{
        Outcome, StoreError, UnixMs,
        rows::{id, int},
    },
};

pub(super) async fn begin(
    db: &mut PgConnection,
    user_id: UserId,
    now: UnixMs,
) -> Result<(), StoreError> {
    // All of the row: whoever needs him alive, to add him to a group, comes before this or finds him gone.
    let alive = sqlx::query("SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE")
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    if alive.is_none() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE users SET deleted_at = $2, deleting = true, password_hash = NULL, \
         display_name = '', issuer_subject = NULL WHERE id = $1",
    )
    .bind(user_id.uuid())
    .bind(int(now.0))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "WITH held AS (SELECT id FROM devices WHERE user_id = $1 AND revoked_at IS NULL \
             ORDER BY id FOR NO KEY UPDATE) \
         UPDATE devices d SET revoked_at = $2 FROM held WHERE d.user_id = $1 AND d.id = held.id",
    )
    .bind(user_id.uuid())
    .bind(int(now.0))
    .execute(db)
    .await?;
    Ok(())
}

/// One step of a deletion that is queued; false when none is.
pub(super) async fn step(db: &mut PgConnection, now: UnixMs) -> Result<Outcome<bool>, StoreError> {
    let deleting = sqlx::query("SELECT id FROM users WHERE deleting ORDER BY id LIMIT 1")
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = deleting else {
        return Ok(Outcome::quiet(false));
    };
    let user_id: UserId = id(&row, "id")?;
    let conversation = sqlx::query(
        "SELECT conversation_id FROM members WHERE user_id = $1 ORDER BY conversation_id LIMIT 1",
    )
    .bind(user_id.uuid())
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = conversation {
        return depart(db, user_id, id(&row, "conversation_id")?, now).await;
    }
    empty(db, user_id).await?;
    Ok(Outcome::quiet(true))
}

/// Leaves a conversation, unless another node has done it meanwhile.
async fn depart(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Outcome<bool>, StoreError> {
    let conversation = lock_conversation(db, conversation_id).await?;
    let present = sqlx::query("SELECT 1 FROM members WHERE conversation_id = $1 AND user_id = $2")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    if present.is_none() {
        return Ok(Outcome::quiet(true));
    }
    let deed = Deed { conversation_id, actor: user_id, device: None, now };
    Ok(Outcome { value: true, moved: leave(db, &conversation, deed).await? })
}

/// Removes a part of the inbox, and with its last part what else there is of the user.
async fn empty(db: &mut PgConnection, user_id: UserId) -> Result<(), StoreError> {
    let deleting = sqlx::query("SELECT 1 FROM users WHERE id = $1 AND deleting FOR NO KEY UPDATE")
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    if deleting.is_none() {
        return Ok(());
    }
    sqlx::query("SELECT 1 FROM inboxes WHERE user_id = $1 FOR UPDATE")
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    let removed = sqlx::query(
        "DELETE FROM inbox_entries WHERE user_id = $1 AND seq = ANY(ARRAY( \
             SELECT seq FROM inbox_entries WHERE user_id = $1 ORDER BY seq LIMIT $2))",
    )
    .bind(user_id.uuid())
    .bind(i64::from(DELETED_ENTRIES_AT_ONCE))
    .execute(&mut *db)
    .await?;
    if removed.rows_affected() >= u64::from(DELETED_ENTRIES_AT_ONCE) {
        return Ok(());
    }
    for statement in [
        "DELETE FROM inboxes WHERE user_id = $1",
        "DELETE FROM blocks WHERE user_id = $1",
        "UPDATE users SET deleting = false WHERE id = $1",
    ] {
        sqlx::query(statement).bind(user_id.uuid()).execute(&mut *db).await?;
    }
    Ok(())
}
