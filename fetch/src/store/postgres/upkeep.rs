use async_trait::async_trait;
use nudge_proto::Epoch;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, keys, origin, sweep};
use crate::store::{
    Key, KeyPurpose, Retention, StoreError, StoreIdentity, Swept, UnixMs, Upkeep,
    rows::{int, number, time},
};

#[async_trait]
impl Upkeep for PostgresStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.read(|db, _| Box::pin(identity(db))).await
    }

    async fn claim_objects(&self, objects_id: Uuid) -> Result<Uuid, StoreError> {
        self.write(|db, _| Box::pin(claim_objects(db, objects_id))).await
    }

    async fn new_epoch(&self, now: UnixMs) -> Result<Epoch, StoreError> {
        self.write_once(|db, _| Box::pin(new_epoch(db, now))).await
    }

    async fn keys(
        &self,
        purpose: KeyPurpose,
        fresh: Key,
        now: UnixMs,
    ) -> Result<Vec<Key>, StoreError> {
        self.write(|db, _| Box::pin(keys::keys(db, purpose, &fresh, now))).await
    }

    async fn sweep(&self, retention: Retention, now: UnixMs) -> Result<Swept, StoreError> {
        sweep::step(&self.general, retention, now).await
    }

    async fn time(&self) -> Result<Option<UnixMs>, StoreError> {
        self.read(|db, _| Box::pin(server_time(db))).await.map(Some)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut db = self.general.pool.acquire().await?;
        Ok(origin::check(&mut db, self.general.failover).await?)
    }

    async fn reaches_standby(&self) -> Result<bool, StoreError> {
        let mut db = self.general.pool.acquire().await?;
        Ok(origin::reaches_standby(&mut db, self.general.failover).await?)
    }

    async fn close(&self) {
        self.sends.close().await;
        self.acks.close().await;
        self.general.pool.close().await;
        self.lanes.close().await;
    }
}

async fn identity(db: &mut PgConnection) -> Result<StoreIdentity, StoreError> {
    let row = sqlx::query("SELECT store_id, objects_id, epoch FROM store").fetch_one(db).await?;
    Ok(StoreIdentity {
        store_id: row.try_get("store_id")?,
        objects_id: row.try_get("objects_id")?,
        epoch: Epoch(number(&row, "epoch")?),
    })
}

async fn server_time(db: &mut PgConnection) -> Result<UnixMs, StoreError> {
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
    time(&sqlx::query(now).fetch_one(db).await?, "now")
}

async fn claim_objects(db: &mut PgConnection, objects_id: Uuid) -> Result<Uuid, StoreError> {
    let claim = "UPDATE store SET objects_id = coalesce(objects_id, $1) RETURNING objects_id";
    Ok(sqlx::query_scalar(claim).bind(objects_id).fetch_one(db).await?)
}

async fn new_epoch(db: &mut PgConnection, now: UnixMs) -> Result<Epoch, StoreError> {
    let row = sqlx::query("UPDATE store SET epoch = greatest(epoch + 1, $1) RETURNING epoch")
        .bind(int(now.0 / 1000))
        .fetch_one(db)
        .await?;
    Ok(Epoch(number(&row, "epoch")?))
}
