use async_trait::async_trait;
use nudge_proto::{Handle, UserId};
use sqlx::SqliteConnection;

use super::{SqliteStore, changes::Deed, members::leave};
use crate::{
    limits::DELETED_ENTRIES_AT_ONCE,
    store::{
        Account, AccountCreated, Accounts, NewAccount, Outcome, StoreError, UnixMs, User,
        rows::{account, handle_owner, id, int},
        rules::{judge_handle, judge_new_block},
    },
};

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_account(&self, new: NewAccount) -> Result<AccountCreated, StoreError> {
        self.writer.write(move |db| Box::pin(async move { create(db, &new, None).await })).await
    }

    async fn account_by_handle(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE handle = ? AND deleted_at IS NULL")
            .bind(handle.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(account).transpose()
    }

    async fn account(&self, user_id: UserId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE id = ? AND deleted_at IS NULL")
            .bind(user_id.uuid())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(account).transpose()
    }

    async fn account_of_issuer(
        &self,
        issuer_subject: &str,
        new: NewAccount,
    ) -> Result<AccountCreated, StoreError> {
        let subject = issuer_subject.to_owned();
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "SELECT * FROM users WHERE issuer_subject = ? AND deleted_at IS NULL",
                    )
                    .bind(&subject)
                    .fetch_optional(&mut *db)
                    .await?;
                    match row {
                        Some(row) => Ok(AccountCreated { account: account(&row)?, created: false }),
                        None => create(db, &new, Some(&subject)).await,
                    }
                })
            })
            .await
    }

    async fn set_display_name(&self, user_id: UserId, name: &str) -> Result<User, StoreError> {
        let name = name.to_owned();
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "UPDATE users SET display_name = ? WHERE id = ? AND deleted_at IS NULL \
                         RETURNING *",
                    )
                    .bind(name)
                    .bind(user_id.uuid())
                    .fetch_optional(db)
                    .await?;
                    Ok(account(&row.ok_or(StoreError::NotFound("user"))?)?.user)
                })
            })
            .await
    }

    async fn set_password_hash(&self, user_id: UserId, hash: &str) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let set = sqlx::query(
                        "UPDATE users SET password_hash = ? WHERE id = ? AND deleted_at IS NULL",
                    )
                    .bind(hash)
                    .bind(user_id.uuid())
                    .execute(db)
                    .await?;
                    if set.rows_affected() == 0 {
                        Err(StoreError::NotFound("user"))
                    } else {
                        Ok(())
                    }
                })
            })
            .await
    }

    async fn begin_deletion(&self, user_id: UserId, now: UnixMs) -> Result<(), StoreError> {
        self.writer.write(move |db| Box::pin(begin_deletion(db, user_id, now))).await
    }

    async fn continue_deletion(&self, now: UnixMs) -> Result<Outcome<bool>, StoreError> {
        self.writer.write(move |db| Box::pin(continue_deletion(db, now))).await
    }

    async fn set_block(
        &self,
        user_id: UserId,
        other: UserId,
        blocked: bool,
    ) -> Result<(), StoreError> {
        self.writer.write(move |db| Box::pin(set_block(db, user_id, other, blocked))).await
    }
}

/// Whether `user` blocks `other`.
pub(super) async fn blocks(
    db: &mut SqliteConnection,
    user: UserId,
    other: UserId,
) -> Result<bool, StoreError> {
    let blocks = sqlx::query("SELECT 1 FROM blocks WHERE user_id = ? AND blocked_id = ?")
        .bind(user.uuid())
        .bind(other.uuid())
        .fetch_optional(db)
        .await?;
    Ok(blocks.is_some())
}

/// Whether the account is there and not deleted.
pub(super) async fn is_live(db: &mut SqliteConnection, user: UserId) -> Result<bool, StoreError> {
    let live = sqlx::query("SELECT 1 FROM users WHERE id = ? AND deleted_at IS NULL")
        .bind(user.uuid())
        .fetch_optional(db)
        .await?;
    Ok(live.is_some())
}

async fn create(
    db: &mut SqliteConnection,
    new: &NewAccount,
    issuer_subject: Option<&str>,
) -> Result<AccountCreated, StoreError> {
    let taken = sqlx::query("SELECT * FROM users WHERE handle = ?")
        .bind(new.handle.as_str())
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = taken {
        judge_handle(new, &handle_owner(&row)?)?;
        return Ok(AccountCreated { account: account(&row)?, created: false });
    }
    let row = sqlx::query(
        "INSERT INTO users (id, handle, display_name, password_hash, request_id, issuer_subject, \
         created_at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
    )
    .bind(new.user_id.uuid())
    .bind(new.handle.as_str())
    .bind(&new.display_name)
    .bind(&new.password_hash)
    .bind(new.request_id.uuid())
    .bind(issuer_subject)
    .bind(int(new.now.0))
    .fetch_one(&mut *db)
    .await?;
    sqlx::query("INSERT INTO inboxes (user_id, head, first_kept) VALUES (?, 0, 1)")
        .bind(new.user_id.uuid())
        .execute(db)
        .await?;
    Ok(AccountCreated { account: account(&row)?, created: true })
}

async fn set_block(
    db: &mut SqliteConnection,
    user_id: UserId,
    other: UserId,
    blocked: bool,
) -> Result<(), StoreError> {
    if !blocked {
        sqlx::query("DELETE FROM blocks WHERE user_id = ? AND blocked_id = ?")
            .bind(user_id.uuid())
            .bind(other.uuid())
            .execute(db)
            .await?;
        return Ok(());
    }
    if other == user_id {
        return Err(StoreError::Invalid("nobody blocks himself".to_owned()));
    }
    if !is_live(db, other).await? {
        return Err(StoreError::NotFound("user"));
    }
    if blocks(db, user_id, other).await? {
        return Ok(());
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM blocks WHERE user_id = ?")
        .bind(user_id.uuid())
        .fetch_one(&mut *db)
        .await?;
    judge_new_block(count.cast_unsigned() as usize)?;
    sqlx::query("INSERT INTO blocks (user_id, blocked_id) VALUES (?, ?)")
        .bind(user_id.uuid())
        .bind(other.uuid())
        .execute(db)
        .await?;
    Ok(())
}

async fn begin_deletion(
    db: &mut SqliteConnection,
    user_id: UserId,
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE users SET deleted_at = ?, deleting = 1, password_hash = NULL, display_name = '', \
         issuer_subject = NULL WHERE id = ? AND deleted_at IS NULL",
    )
    .bind(int(now.0))
    .bind(user_id.uuid())
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE devices SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL")
        .bind(int(now.0))
        .bind(user_id.uuid())
        .execute(db)
        .await?;
    Ok(())
}

async fn continue_deletion(
    db: &mut SqliteConnection,
    now: UnixMs,
) -> Result<Outcome<bool>, StoreError> {
    let Some(row) = sqlx::query("SELECT id FROM users WHERE deleting = 1 LIMIT 1")
        .fetch_optional(&mut *db)
        .await?
    else {
        return Ok(Outcome::quiet(false));
    };
    let user_id: UserId = id(&row, "id")?;
    let conversation = sqlx::query("SELECT conversation_id FROM members WHERE user_id = ? LIMIT 1")
        .bind(user_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = conversation {
        let conversation_id = id(&row, "conversation_id")?;
        let deed = Deed { conversation_id, actor: user_id, device: None, now };
        return Ok(Outcome { value: true, moved: leave(db, deed).await? });
    }
    empty(db, user_id).await?;
    Ok(Outcome::quiet(true))
}

/// Removes a part of the inbox, and with its last part what else there is of the user.
async fn empty(db: &mut SqliteConnection, user_id: UserId) -> Result<(), StoreError> {
    let removed = sqlx::query(
        "DELETE FROM inbox_entries WHERE user_id = ?1 AND seq IN \
         (SELECT seq FROM inbox_entries WHERE user_id = ?1 ORDER BY seq LIMIT ?2)",
    )
    .bind(user_id.uuid())
    .bind(DELETED_ENTRIES_AT_ONCE)
    .execute(&mut *db)
    .await?;
    if removed.rows_affected() >= u64::from(DELETED_ENTRIES_AT_ONCE) {
        return Ok(());
    }
    for statement in [
        "DELETE FROM inboxes WHERE user_id = ?",
        "DELETE FROM blocks WHERE user_id = ?",
        "UPDATE users SET deleting = 0 WHERE id = ?",
    ] {
        sqlx::query(statement).bind(user_id.uuid()).execute(&mut *db).await?;
    }
    Ok(())
}
