use std::sync::atomic::Ordering;

use async_trait::async_trait;
use nudge_proto::{Cursor, DeviceId, InboxSeq, UserId, watch::Generation};
use sqlx::{Row, SqliteConnection};

use super::{
    SqliteStore,
    accounts::is_live,
    arguments::json,
    inboxes::{epoch, inbox_head},
};
use crate::store::{
    Device, DeviceOpened, DeviceState, Devices, OpenDevice, Point, Refresh, Refreshed, StoreError,
    UnixMs,
    rows::{device, device_state, id, int, number, optional_number},
    rules::{RefreshVerdict, judge_new_device, judge_refresh},
};

#[async_trait]
impl Devices for SqliteStore {
    async fn open_device(&self, open: OpenDevice) -> Result<DeviceOpened, StoreError> {
        self.writer.write(move |db| Box::pin(async move { open_device(db, &open).await })).await
    }

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        self.writer.write(move |db| Box::pin(take_refresh(db, refresh))).await
    }

    async fn devices(&self, user_id: UserId) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM devices WHERE user_id = ? AND revoked_at IS NULL ORDER BY created_at, id",
        )
        .bind(user_id.uuid())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(device).collect()
    }

    async fn revoke_device(
        &self,
        user_id: UserId,
        device_id: DeviceId,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        self.writer.write(move |db| Box::pin(revoke(db, user_id, device_id, now))).await
    }

    async fn revoked_since(&self, since: UnixMs) -> Result<Vec<(UserId, DeviceId)>, StoreError> {
        let rows = sqlx::query("SELECT user_id, id FROM devices WHERE revoked_at >= ?")
            .bind(int(since.0))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((id(row, "user_id")?, id(row, "id")?))).collect()
    }

    async fn device_states(
        &self,
        devices: &[(UserId, DeviceId)],
    ) -> Result<Vec<DeviceState>, StoreError> {
        states(&mut *self.read().await?, devices).await
    }

    async fn next_point(&self) -> Result<Point, StoreError> {
        let epoch = epoch(&mut *self.read().await?).await?;
        let generation = Generation(self.next_point.fetch_add(1, Ordering::SeqCst));
        Ok(Point { epoch, generation })
    }
}

async fn states(
    db: &mut SqliteConnection,
    devices: &[(UserId, DeviceId)],
) -> Result<Vec<DeviceState>, StoreError> {
    let epoch = epoch(db).await?;
    let rows = sqlx::query(
        "SELECT d.id IS NULL OR d.revoked_at IS NOT NULL AS revoked, i.head, i.newest_message \
         FROM json_each(?) asked \
         LEFT JOIN devices d ON d.user_id = unhex(asked.value->>0, '-') \
             AND d.id = unhex(asked.value->>1, '-') \
         LEFT JOIN inboxes i ON i.user_id = d.user_id ORDER BY asked.key",
    )
    .bind(json(&devices)?)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| device_state(row, epoch)).collect()
}

async fn open_device(
    db: &mut SqliteConnection,
    open: &OpenDevice,
) -> Result<DeviceOpened, StoreError> {
    let epoch = epoch(db).await?;
    let existing =
        sqlx::query("SELECT revoked_at, acked_seq FROM devices WHERE user_id = ? AND id = ?")
            .bind(open.user_id.uuid())
            .bind(open.device_id.uuid())
            .fetch_optional(&mut *db)
            .await?;
    if !is_live(db, open.user_id).await? {
        return Err(StoreError::NotFound("user"));
    }
    if let Some(row) = existing {
        if optional_number(&row, "revoked_at")?.is_some() {
            return Err(StoreError::DeviceRevoked);
        }
        sqlx::query(
            "UPDATE devices SET name = ?, refresh_chain = ?, refresh_n = 1 \
             WHERE user_id = ? AND id = ?",
        )
        .bind(&open.name)
        .bind(int(open.refresh_chain))
        .bind(open.user_id.uuid())
        .bind(open.device_id.uuid())
        .execute(db)
        .await?;
        let seq = InboxSeq(number(&row, "acked_seq")?);
        return Ok(DeviceOpened { created: false, cursor: Cursor { epoch, seq } });
    }
    let active: i64 =
        sqlx::query_scalar("SELECT count(*) FROM devices WHERE user_id = ? AND revoked_at IS NULL")
            .bind(open.user_id.uuid())
            .fetch_one(&mut *db)
            .await?;
    judge_new_device(active.cast_unsigned() as usize)?;
    let seq = inbox_head(db, open.user_id.uuid()).await?;
    sqlx::query(
        "INSERT INTO devices (user_id, id, name, created_at, acked_seq, refresh_chain, refresh_n) \
         VALUES (?, ?, ?, ?, ?, ?, 1)",
    )
    .bind(open.user_id.uuid())
    .bind(open.device_id.uuid())
    .bind(&open.name)
    .bind(int(open.now.0))
    .bind(int(seq.0))
    .bind(int(open.refresh_chain))
    .execute(db)
    .await?;
    Ok(DeviceOpened { created: true, cursor: Cursor { epoch, seq } })
}

async fn take_refresh(
    db: &mut SqliteConnection,
    refresh: Refresh,
) -> Result<Refreshed, StoreError> {
    let epoch = epoch(db).await?;
    let row = sqlx::query(
        "SELECT refresh_chain, refresh_n, acked_seq FROM devices \
         WHERE user_id = ? AND id = ? AND revoked_at IS NULL",
    )
    .bind(refresh.user_id.uuid())
    .bind(refresh.device_id.uuid())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else {
        return Ok(Refreshed::Ended);
    };
    let chain: i64 = row.try_get("refresh_chain")?;
    if chain.cast_unsigned() != refresh.chain {
        return Ok(Refreshed::Ended);
    }
    let seq = InboxSeq(number(&row, "acked_seq")?);
    let next = |n| Refreshed::Next { n, cursor: Cursor { epoch, seq } };
    match judge_refresh(number(&row, "refresh_n")?, refresh.n) {
        RefreshVerdict::Repeat(n) => Ok(next(n)),
        RefreshVerdict::Rotate(n) => {
            sqlx::query("UPDATE devices SET refresh_n = ? WHERE user_id = ? AND id = ?")
                .bind(int(n))
                .bind(refresh.user_id.uuid())
                .bind(refresh.device_id.uuid())
                .execute(db)
                .await?;
            Ok(next(n))
        }
        RefreshVerdict::Reused => {
            revoke(db, refresh.user_id, refresh.device_id, refresh.now).await?;
            Ok(Refreshed::Reused)
        }
    }
}

async fn revoke(
    db: &mut SqliteConnection,
    user_id: UserId,
    device_id: DeviceId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let revoked = sqlx::query(
        "UPDATE devices SET revoked_at = ? WHERE user_id = ? AND id = ? AND revoked_at IS NULL",
    )
    .bind(int(now.0))
    .bind(user_id.uuid())
    .bind(device_id.uuid())
    .execute(&mut *db)
    .await?;
    if revoked.rows_affected() > 0 {
        return Ok(true);
    }
    sqlx::query("SELECT 1 FROM devices WHERE user_id = ? AND id = ?")
        .bind(user_id.uuid())
        .bind(device_id.uuid())
        .fetch_optional(db)
        .await?
        .map(|_| false)
        .ok_or(StoreError::NotFound("device"))
}
