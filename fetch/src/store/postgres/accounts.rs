use async_trait::async_trait;
use nudge_proto::{Handle, UserId};
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    PostgresStore, deletion,
    users::{blocks, hold_alive, hold_for_counting},
};
use crate::store::{
    Account, AccountCreated, Accounts, NewAccount, Outcome, StoreError, UnixMs, User,
    rows::{account, handle_owner, int},
    rules::{judge_handle, judge_new_block},
};

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_account(&self, new: NewAccount) -> Result<AccountCreated, StoreError> {
        self.write(|db, _| Box::pin(create(db, &new, None))).await
    }

    async fn account_by_handle(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        self.read(|db, _| Box::pin(by_handle(db, handle))).await
    }

    async fn account(&self, user_id: UserId) -> Result<Option<Account>, StoreError> {
        self.read(|db, _| Box::pin(by_id(db, user_id))).await
    }

    async fn account_of_issuer(
        &self,
        issuer_subject: &str,
        new: NewAccount,
    ) -> Result<AccountCreated, StoreError> {
        let found = self.read(|db, _| Box::pin(of_issuer(db, issuer_subject))).await?;
        if let Some(row) = found {
            return Ok(AccountCreated { account: account(&row)?, created: false });
        }
        self.write(|db, _| Box::pin(create(db, &new, Some(issuer_subject)))).await
    }

    async fn set_display_name(&self, user_id: UserId, name: &str) -> Result<User, StoreError> {
        self.write(|db, _| Box::pin(set_display_name(db, user_id, name))).await
    }

    async fn set_password_hash(&self, user_id: UserId, hash: &str) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(set_password_hash(db, user_id, hash))).await
    }

    async fn begin_deletion(&self, user_id: UserId, now: UnixMs) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(deletion::begin(db, user_id, now))).await
    }

    async fn continue_deletion(&self, now: UnixMs) -> Result<Outcome<bool>, StoreError> {
        self.write(|db, _| Box::pin(deletion::step(db, now))).await
    }

    async fn set_block(
        &self,
        user_id: UserId,
        other: UserId,
        blocked: bool,
    ) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(set_block(db, user_id, other, blocked))).await
    }
}

async fn by_handle(db: &mut PgConnection, handle: &Handle) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE handle = $1 AND deleted_at IS NULL")
        .bind(handle.as_str())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(account).transpose()
}

async fn by_id(db: &mut PgConnection, user_id: UserId) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE id = $1 AND deleted_at IS NULL")
        .bind(user_id.uuid())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(account).transpose()
}

/// Whoever is first has the handle, and the issuer's subject: the constraints say who that was.
async fn create(
    db: &mut PgConnection,
    new: &NewAccount,
    issuer_subject: Option<&str>,
) -> Result<AccountCreated, StoreError> {
    let made = sqlx::query(
        "INSERT INTO users (id, handle, display_name, password_hash, request_id, issuer_subject, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING *",
    )
    .bind(new.user_id.uuid())
    .bind(new.handle.as_str())
    .bind(&new.display_name)
    .bind(&new.password_hash)
    .bind(new.request_id.uuid())
    .bind(issuer_subject)
    .bind(int(new.now.0))
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = made {
        sqlx::query("INSERT INTO inboxes (user_id, head, first_kept) VALUES ($1, 0, 1)")
            .bind(new.user_id.uuid())
            .execute(db)
            .await?;
        return Ok(AccountCreated { account: account(&row)?, created: true });
    }
    let first = match issuer_subject {
        Some(subject) => of_issuer(&mut *db, subject).await?,
        None => None,
    };
    let first = match first {
        Some(row) => row,
        None => of_handle(db, new).await?,
    };
    let account = account(&first)?;
    // True when this very call comes again, because the answer to its commit was lost.
    let created = account.user.id == new.user_id;
    Ok(AccountCreated { account, created })
}

/// The account that has the handle, if it is what `new` asks for.
async fn of_handle(db: &mut PgConnection, new: &NewAccount) -> Result<PgRow, StoreError> {
    let taken = || StoreError::HandleTaken(new.handle.clone());
    let row = sqlx::query("SELECT * FROM users WHERE handle = $1")
        .bind(new.handle.as_str())
        .fetch_optional(db)
        .await?
        .ok_or_else(taken)?;
    judge_handle(new, &handle_owner(&row)?)?;
    Ok(row)
}

async fn of_issuer(
    db: &mut PgConnection,
    issuer_subject: &str,
) -> Result<Option<PgRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE issuer_subject = $1 AND deleted_at IS NULL")
        .bind(issuer_subject)
        .fetch_optional(db)
        .await?;
    Ok(row)
}

async fn set_display_name(
    db: &mut PgConnection,
    user_id: UserId,
    name: &str,
) -> Result<User, StoreError> {
    let row = sqlx::query(
        "UPDATE users SET display_name = $2 WHERE id = $1 AND deleted_at IS NULL RETURNING *",
    )
    .bind(user_id.uuid())
    .bind(name)
    .fetch_optional(db)
    .await?;
    Ok(account(&row.ok_or(StoreError::NotFound("user"))?)?.user)
}

async fn set_password_hash(
    db: &mut PgConnection,
    user_id: UserId,
    hash: &str,
) -> Result<(), StoreError> {
    let set =
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1 AND deleted_at IS NULL")
            .bind(user_id.uuid())
            .bind(hash)
            .execute(db)
            .await?;
    if set.rows_affected() == 0 { Err(StoreError::NotFound("user")) } else { Ok(()) }
}

async fn set_block(
    db: &mut PgConnection,
    user_id: UserId,
    other: UserId,
    blocked: bool,
) -> Result<(), StoreError> {
    if !blocked {
        return unblock(db, user_id, other).await;
    }
    if other == user_id {
        return Err(StoreError::Invalid("nobody blocks himself".to_owned()));
    }
    hold_for_counting(db, user_id).await?;
    if hold_alive(db, &[other]).await? == 0 {
        return Err(StoreError::NotFound("user"));
    }
    if blocks(db, user_id, other).await? {
        return Ok(());
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM blocks WHERE user_id = $1")
        .bind(user_id.uuid())
        .fetch_one(&mut *db)
        .await?;
    judge_new_block(count.cast_unsigned() as usize)?;
    sqlx::query("INSERT INTO blocks (user_id, blocked_id) VALUES ($1, $2)")
        .bind(user_id.uuid())
        .bind(other.uuid())
        .execute(db)
        .await?;
    Ok(())
}

async fn unblock(db: &mut PgConnection, user_id: UserId, other: UserId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2")
        .bind(user_id.uuid())
        .bind(other.uuid())
        .execute(db)
        .await?;
    Ok(())
}
