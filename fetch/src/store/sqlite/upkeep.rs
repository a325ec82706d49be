use async_trait::async_trait;
use nudge_proto::{Epoch, MediumId, limits::SEND_RECEIPT_TIME};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    media::forget_upload,
    rows::{id, int, number, time},
};
use crate::store::{Key, KeyPurpose, Retention, StoreError, StoreIdentity, Swept, UnixMs, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let row = sqlx::query("SELECT store_id, epoch FROM store").fetch_one(&self.readers).await?;
        Ok(StoreIdentity {
            store_id: row.try_get("store_id")?,
            epoch: Epoch(number(&row, "epoch")?),
        })
    }

    async fn new_epoch(&self) -> Result<Epoch, StoreError> {
        self.writer
            .write(|db| {
                Box::pin(async move {
                    let row = sqlx::query("UPDATE store SET epoch = epoch + 1 RETURNING epoch")
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
        self.writer.write(move |db| Box::pin(sweep(db, retention, now))).await
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
    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        self.writer
            .write(|db| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO store (singleton, store_id, epoch, created_at) \
                         VALUES (1, ?, 1, unixepoch() * 1000) ON CONFLICT DO NOTHING",
                    )
                    .bind(Uuid::new_v4())
                    .execute(db)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

const fn purpose_word(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Ticket => "ticket",
        KeyPurpose::Access => "access",
        KeyPurpose::Refresh => "refresh",
    }
}

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

async fn sweep(
    db: &mut SqliteConnection,
    retention: Retention,
    now: UnixMs,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    let cutoff = retention.history_days.map(|days| before_days(now, days));
    sweep_inboxes(db, retention, cutoff, &mut swept).await?;
    sweep_messages(db, cutoff, now, &mut swept).await?;
    let receipts = sqlx::query(
        "DELETE FROM send_receipts WHERE (conversation_id, sender_id, client_id) IN \
         (SELECT conversation_id, sender_id, client_id FROM send_receipts \
          WHERE sent_at < ? LIMIT ?)",
    )
    .bind(int(now.0.saturating_sub(SEND_RECEIPT_TIME.as_millis() as u64)))
    .bind(SWEPT_AT_ONCE)
    .execute(&mut *db)
    .await?;
    swept.send_receipts = receipts.rows_affected();
    sqlx::query("DELETE FROM keys WHERE not_after <= ?").bind(int(now.0)).execute(&mut *db).await?;
    sweep_media(db, now, &mut swept).await?;
    let most = SWEPT_AT_ONCE.cast_unsigned();
    swept.more = swept.messages >= most
        || swept.inbox_entries >= most
        || swept.send_receipts >= most
        || swept.media.len() as u64 >= most;
    Ok(swept)
}

/// Entries past the history's time, and, where so configured, those that every active device has.
async fn sweep_inboxes(
    db: &mut SqliteConnection,
    retention: Retention,
    cutoff: Option<i64>,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let mut gone = Vec::new();
    if let Some(cutoff) = cutoff {
        gone = sqlx::query(
            "DELETE FROM inbox_entries WHERE (user_id, seq) IN \
             (SELECT user_id, seq FROM inbox_entries WHERE created_at < ? \
              ORDER BY created_at LIMIT ?) RETURNING user_id, seq",
        )
        .bind(cutoff)
        .bind(SWEPT_AT_ONCE)
        .fetch_all(&mut *db)
        .await?;
    }
    if retention.until_acked {
        gone.extend(
            sqlx::query(
                "DELETE FROM inbox_entries WHERE (user_id, seq) IN \
                 (SELECT e.user_id, e.seq FROM inbox_entries e JOIN \
                      (SELECT user_id, min(acked_seq) AS acked FROM devices \
                       WHERE revoked_at IS NULL GROUP BY user_id) d \
                  ON d.user_id = e.user_id AND e.seq <= d.acked LIMIT ?) RETURNING user_id, seq",
            )
            .bind(SWEPT_AT_ONCE)
            .fetch_all(&mut *db)
            .await?,
        );
    }
    swept.inbox_entries = gone.len() as u64;
    for row in &gone {
        sqlx::query("UPDATE inboxes SET first_kept = max(first_kept, ?) WHERE user_id = ?")
            .bind(int(number(row, "seq")? + 1))
            .bind(id::<Uuid>(row, "user_id")?)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn sweep_messages(
    db: &mut SqliteConnection,
    cutoff: Option<i64>,
    now: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT conversation_id, seq FROM messages WHERE expires_at <= ?1 OR sent_at < ?2 LIMIT ?3",
    )
    .bind(int(now.0))
    .bind(cutoff.unwrap_or(0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        for statement in [
            "DELETE FROM inbox_entries WHERE conversation_id = ? AND conversation_seq = ?",
            "DELETE FROM grants WHERE conversation_id = ? AND conversation_seq = ?",
            "DELETE FROM messages WHERE conversation_id = ? AND seq = ?",
        ] {
            sqlx::query(statement)
                .bind(id::<Uuid>(row, "conversation_id")?)
                .bind(int(number(row, "seq")?))
                .execute(&mut *db)
                .await?;
        }
    }
    swept.messages = rows.len() as u64;
    Ok(())
}

async fn sweep_media(
    db: &mut SqliteConnection,
    now: UnixMs,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "DELETE FROM media WHERE id IN \
         (SELECT id FROM media WHERE expires_at <= ? LIMIT ?) RETURNING id",
    )
    .bind(int(now.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        let medium_id: MediumId = id(row, "id")?;
        forget_upload(db, medium_id).await?;
        swept.media.push(medium_id);
    }
    Ok(())
}

const fn before_days(now: UnixMs, days: u32) -> i64 {
    int(now.0.saturating_sub(days as u64 * 24 * 3600 * 1000))
}

/// Rows of each kind that one step removes.
const SWEPT_AT_ONCE: i64 = 500;
