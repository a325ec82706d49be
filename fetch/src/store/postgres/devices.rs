use async_trait::async_trait;
use nudge_proto::{Cursor, DeviceId, Epoch, InboxSeq, UserId, watch::Generation};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, inboxes::epoch, users::hold_for_counting};
use crate::store::{
    Device, DeviceOpened, DeviceState, Devices, OpenDevice, Point, Refresh, Refreshed, StoreError,
    UnixMs,
    rows::{device, device_state, id, int, number, optional_number},
    rules::{RefreshVerdict, judge_new_device, judge_refresh},
};

#[async_trait]
impl Devices for PostgresStore {
    async fn open_device(&self, open: OpenDevice) -> Result<DeviceOpened, StoreError> {
        self.write(|db, _| Box::pin(open_device(db, &open))).await
    }

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        self.write(|db, _| Box::pin(take_refresh(db, refresh))).await
    }

    async fn devices(&self, user_id: UserId) -> Result<Vec<Device>, StoreError> {
        self.read(|db, _| Box::pin(active(db, user_id))).await
    }

    async fn revoke_device(
        &self,
        user_id: UserId,
        device_id: DeviceId,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        self.write(|db, _| Box::pin(revoke(db, user_id, device_id, now))).await
    }

    async fn revoked_since(&self, since: UnixMs) -> Result<Vec<(UserId, DeviceId)>, StoreError> {
        self.read(|db, _| Box::pin(revoked_since(db, since))).await
    }

    async fn device_states(
        &self,
        devices: &[(UserId, DeviceId)],
    ) -> Result<Vec<DeviceState>, StoreError> {
        self.read(|db, _| Box::pin(states(db, devices))).await
    }

    async fn next_point(&self) -> Result<Point, StoreError> {
        // A sequence is no part of a snapshot: what it gives is above what anybody was given.
        self.write(|db, _| {
            Box::pin(async move {
                let point = sqlx::query("SELECT epoch, nextval('points') AS generation FROM store");
                let row = point.fetch_one(db).await?;
                Ok(Point {
                    epoch: Epoch(number(&row, "epoch")?),
                    generation: Generation(number(&row, "generation")?),
                })
            })
        })
        .await
    }
}

async fn active(db: &mut PgConnection, user_id: UserId) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, name, created_at, acked_seq FROM devices \
         WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at, id",
    )
    .bind(user_id.uuid())
    .fetch_all(db)
    .await?;
    rows.iter().map(device).collect()
}

async fn revoked_since(
    db: &mut PgConnection,
    since: UnixMs,
) -> Result<Vec<(UserId, DeviceId)>, StoreError> {
    let rows = sqlx::query("SELECT user_id, id FROM devices WHERE revoked_at >= $1")
        .bind(int(since.0))
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok((id(row, "user_id")?, id(row, "id")?))).collect()
}

async fn states(
    db: &mut PgConnection,
    devices: &[(UserId, DeviceId)],
) -> Result<Vec<DeviceState>, StoreError> {
    let (users, ids): (Vec<Uuid>, Vec<Uuid>) =
        devices.iter().map(|(user, device)| (user.uuid(), device.uuid())).unzip();
    let rows = sqlx::query(STATES_SQL).bind(users).bind(ids).fetch_all(db).await?;
    let state = |row| device_state(row, Epoch(number(row, "epoch")?));
    rows.iter().map(state).collect()
}

/// One statement, and so one snapshot.
pub(super) const STATES_SQL: &str = "SELECT store.epoch, d.id IS NULL OR d.revoked_at IS NOT NULL AS revoked, i.head, \
         i.newest_message \
     FROM store CROSS JOIN unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY \
         AS asked(user_id, device_id, place) \
     LEFT JOIN devices d ON d.user_id = asked.user_id AND d.id = asked.device_id \
     LEFT JOIN inboxes i ON i.user_id = d.user_id ORDER BY asked.place";

async fn open_device(db: &mut PgConnection, open: &OpenDevice) -> Result<DeviceOpened, StoreError> {
    hold_for_counting(db, open.user_id).await?;
    let existing = sqlx::query("SELECT revoked_at FROM devices WHERE user_id = $1 AND id = $2")
        .bind(open.user_id.uuid())
        .bind(open.device_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    match existing {
        Some(row) if optional_number(&row, "revoked_at")?.is_some() => {
            Err(StoreError::DeviceRevoked)
        }
        Some(_) => open_again(db, open).await,
        None => open_new(db, open).await,
    }
}

async fn open_again(db: &mut PgConnection, open: &OpenDevice) -> Result<DeviceOpened, StoreError> {
    let row = sqlx::query(
        "UPDATE devices SET name = $3, refresh_chain = $4, refresh_n = 1 \
         WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING acked_seq",
    )
    .bind(open.user_id.uuid())
    .bind(open.device_id.uuid())
    .bind(&open.name)
    .bind(int(open.refresh_chain))
    .fetch_optional(&mut *db)
    .await?
    .ok_or(StoreError::DeviceRevoked)?;
    let seq = InboxSeq(number(&row, "acked_seq")?);
    Ok(DeviceOpened { created: false, cursor: Cursor { epoch: epoch(db).await?, seq } })
}

async fn open_new(db: &mut PgConnection, open: &OpenDevice) -> Result<DeviceOpened, StoreError> {
    let active: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM devices WHERE user_id = $1 AND revoked_at IS NULL",
    )
    .bind(open.user_id.uuid())
    .fetch_one(&mut *db)
    .await?;
    judge_new_device(active.cast_unsigned() as usize)?;
    // The head stands still until the device counts: nothing that comes later is swept before it has it.
    let row = sqlx::query("SELECT head FROM inboxes WHERE user_id = $1 FOR SHARE")
        .bind(open.user_id.uuid())
        .fetch_one(&mut *db)
        .await?;
    let seq = InboxSeq(number(&row, "head")?);
    sqlx::query(
        "INSERT INTO devices (user_id, id, name, created_at, acked_seq, refresh_chain, refresh_n) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(open.user_id.uuid())
    .bind(open.device_id.uuid())
    .bind(&open.name)
    .bind(int(open.now.0))
    .bind(int(seq.0))
    .bind(int(open.refresh_chain))
    .execute(&mut *db)
    .await?;
    Ok(DeviceOpened { created: true, cursor: Cursor { epoch: epoch(db).await?, seq } })
}

async fn take_refresh(db: &mut PgConnection, refresh: Refresh) -> Result<Refreshed, StoreError> {
    let epoch = epoch(db).await?;
    let row = sqlx::query(
        "SELECT refresh_chain, refresh_n, acked_seq FROM devices \
         WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL FOR NO KEY UPDATE",
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
            sqlx::query("UPDATE devices SET refresh_n = $3 WHERE user_id = $1 AND id = $2")
                .bind(refresh.user_id.uuid())
                .bind(refresh.device_id.uuid())
                .bind(int(n))
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
    db: &mut PgConnection,
    user_id: UserId,
    device_id: DeviceId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let revoked = sqlx::query(
        "UPDATE devices SET revoked_at = $3 WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL",
    )
    .bind(user_id.uuid())
    .bind(device_id.uuid())
    .bind(int(now.0))
    .execute(&mut *db)
    .await?;
    if revoked.rows_affected() > 0 {
        return Ok(true);
    }
    sqlx::query("SELECT 1 FROM devices WHERE user_id = $1 AND id = $2")
        .bind(user_id.uuid())
        .bind(device_id.uuid())
        .fetch_optional(db)
        .await?
        .map(|_| false)
        .ok_or(StoreError::NotFound("device"))
}
