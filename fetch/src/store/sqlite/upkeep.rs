use async_trait::async_trait;
use nudge_proto::Epoch;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, sweep};
use crate::store::{
    Key, KeyPurpose, Retention, StoreError, StoreIdentity, Swept, UnixMs, Upkeep,
    rows::{int, number, time},
    stored::purpose_word,
};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let row = sqlx::query("SELECT store_id, objects_id, epoch FROM store")
            .fetch_one(&self.readers)
            .await?;
        Ok(StoreIdentity {
            store_id: row.try_get("store_id")?,
            objects_id: row.try_get("objects_id")?,
            epoch: Epoch(number(&row, "epoch")?),
        })
    }

    async fn claim_objects(&self, objects_id: Uuid) -> Result<Uuid, StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let claim = "UPDATE store SET objects_id = coalesce(objects_id, ?) \
                                 RETURNING objects_id";
                    Ok(sqlx::query_scalar(claim).bind(objects_id).fetch_one(db).await?)
                })
            })
            .await
    }

    async fn new_epoch(&self, now: UnixMs) -> Result<Epoch, StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let row =
                        sqlx::query("UPDATE store SET epoch = max(epoch + 1, ?) RETURNING epoch")
                            .bind(int(now.0 / 1000))
                            .fetch_one(db)
                            .await?;
                    Ok(Epoch(number(&row, "epoch")?))
                })
            })
            .await
    }

    async fn keys(
        &self,
        purpose: KeyPurpose,
        fresh: Key,
        now: UnixMs,
    ) -> Result<Vec<Key>, StoreError> {
        self.writer
            .write(move |db| Box::pin(async move { keys(db, purpose, &fresh, now).await }))
            .await
    }

    async fn sweep(&self, retention: Retention, now: UnixMs) -> Result<Swept, StoreError> {
        self.writer.write(move |db| Box::pin(sweep::step(db, retention, now))).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").fetch_one(&self.readers).await?;
        Ok(())
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

impl SqliteStore {
    /// Makes the store's one row at the first start.
    /// Returns the first of the points' numbers that were never given.
    pub(super) async fn prepare(&self) -> Result<u64, StoreError> {
        self.writer
            .write(|db| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO store (singleton, store_id, epoch, created_at) \
                         VALUES (1, ?, 1, unixepoch() * 1000) ON CONFLICT DO NOTHING",
                    )
                    .bind(Uuid::new_v4())
                    .execute(&mut *db)
                    .await?;
                    let opened =
                        sqlx::query("UPDATE store SET openings = openings + 1 RETURNING openings")
                            .fetch_one(db)
                            .await?;
                    Ok(number(&opened, "openings")? << POINTS_PER_OPENING_BITS)
                })
            })
            .await
    }
}

/// A store that is open gives fewer points than this power of two.
const POINTS_PER_OPENING_BITS: u32 = 40;

async fn keys(
    db: &mut SqliteConnection,
    purpose: KeyPurpose,
    fresh: &Key,
    now: UnixMs,
) -> Result<Vec<Key>, StoreError> {
    let word = purpose_word(purpose);
    // The one writer is the lock.
    sqlx::query(
        "INSERT INTO keys (purpose, id, secret, created_at, retire_at, not_after) \
         SELECT ?1, (SELECT coalesce(max(id), 0) + 1 FROM keys WHERE purpose = ?1), ?2, ?3, ?4, ?5 \
         WHERE NOT EXISTS (SELECT 1 FROM keys WHERE purpose = ?1 AND retire_at > ?6)",
    )
    .bind(word)
    .bind(&fresh.secret)
    .bind(int(fresh.created_at.0))
    .bind(int(fresh.retire_at.0))
    .bind(int(fresh.not_after.0))
    .bind(int(now.0))
    .execute(&mut *db)
    .await?;
    let rows =
        sqlx::query("SELECT * FROM keys WHERE purpose = ? AND not_after > ? ORDER BY id DESC")
            .bind(word)
            .bind(int(now.0))
            .fetch_all(db)
            .await?;
    let key = |row: &SqliteRow| {
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
