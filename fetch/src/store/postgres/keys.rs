//! Keys: made once, whoever asks.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::store::{
    Key, KeyPurpose, StoreError, UnixMs,
    rows::{int, number, time},
    stored::purpose_word,
};

/// The keys of a purpose; when none of them makes any more, `fresh` is one of them first.
pub(super) async fn keys(
    db: &mut PgConnection,
    purpose: KeyPurpose,
    fresh: &Key,
    now: UnixMs,
) -> Result<Vec<Key>, StoreError> {
    let keys = valid(db, purpose, now).await?;
    if keys.iter().any(|key| key.retire_at > now) {
        return Ok(keys);
    }
    // One node at a time, and the next finds what the one before made.
    sqlx::query("SELECT 1 FROM store FOR NO KEY UPDATE").fetch_one(&mut *db).await?;
    sqlx::query(
        "INSERT INTO keys (purpose, id, secret, created_at, retire_at, not_after) \
         SELECT $1, (SELECT coalesce(max(id), 0) + 1 FROM keys WHERE purpose = $1), \
             $2, $3, $4, $5 \
         WHERE NOT EXISTS (SELECT 1 FROM keys WHERE purpose = $1 AND retire_at > $6)",
    )
    .bind(purpose_word(purpose))
    .bind(&fresh.secret)
    .bind(int(fresh.created_at.0))
    .bind(int(fresh.retire_at.0))
    .bind(int(fresh.not_after.0))
    .bind(int(now.0))
    .execute(&mut *db)
    .await?;
    valid(db, purpose, now).await
}

/// Newest first.
async fn valid(
    db: &mut PgConnection,
    purpose: KeyPurpose,
    now: UnixMs,
) -> Result<Vec<Key>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM keys WHERE purpose = $1 AND not_after > $2 ORDER BY id DESC")
            .bind(purpose_word(purpose))
            .bind(int(now.0))
            .fetch_all(db)
            .await?;
    let key = |row: &PgRow| {
        Ok(Key {
            id: number(row, "id")? as u32,
            secret: row.try_get("secret")?,
            created_at: time(row, "created_at")?,
            retire_at: time(row, "retire_at")?,
            not_after: time(row, "not_after")?,
        })
    };
    rows.iter().map(key).collect()
}
