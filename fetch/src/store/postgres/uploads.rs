//! Uploads that go on, end, or are over.
//!
//! An upload's own row comes before the medium's, for everybody who writes to both.

use nudge_proto::{MediumId, UserId};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{arguments::ids, media::own_upload};
use crate::{
    objects::{Layout, ObjectName},
    store::{
        Append, AppendCommit, Medium, StoreError, UnixMs,
        rows::{id, int, medium, number, optional_id},
    },
};

/// The fence rises only while the upload stands where the request says: what comes back is of one moment.
pub(super) async fn begin(
    db: &mut PgConnection,
    owner_id: UserId,
    medium_id: MediumId,
    offset: u64,
) -> Result<Append, StoreError> {
    let raised = sqlx::query(
        "UPDATE uploads SET fence = fence + 1 FROM media \
         WHERE uploads.medium_id = $1 AND uploads.\"offset\" = $3 \
             AND media.id = $1 AND media.owner_id = $2 \
         RETURNING uploads.fence, uploads.layout, uploads.digest_state",
    )
    .bind(medium_id.uuid())
    .bind(owner_id.uuid())
    .bind(int(offset))
    .fetch_optional(&mut *db)
    .await?;
    let upload = own_upload(db, owner_id, medium_id).await?;
    match raised {
        Some(row) => Ok(Append {
            fence: number(&row, "fence")?,
            upload,
            layout: row.try_get("layout").map(Layout)?,
            digest_state: row.try_get("digest_state")?,
        }),
        None if upload.offset != offset => {
            Err(StoreError::OffsetMismatch { given: offset, offset: upload.offset })
        }
        None => Err(StoreError::NotFound("unfinished upload")),
    }
}

pub(super) async fn commit_append(
    db: &mut PgConnection,
    commit: &AppendCommit,
) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE uploads SET \"offset\" = $3, layout = $4, digest_state = $5 \
         WHERE medium_id = $1 AND fence = $2",
    )
    .bind(commit.id.uuid())
    .bind(int(commit.fence))
    .bind(int(commit.offset))
    .bind(commit.layout.as_str())
    .bind(&commit.digest_state)
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Err(StoreError::UploadTakenOver);
    }
    sqlx::query("UPDATE media SET expires_at = $2 WHERE id = $1 AND expires_at < $2")
        .bind(commit.id.uuid())
        .bind(int(commit.expires_at.0))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn record_layout(
    db: &mut PgConnection,
    medium_id: MediumId,
    fence: u64,
    layout: &Layout,
) -> Result<(), StoreError> {
    let recorded =
        sqlx::query("UPDATE uploads SET layout = $3 WHERE medium_id = $1 AND fence = $2")
            .bind(medium_id.uuid())
            .bind(int(fence))
            .bind(layout.as_str())
            .execute(db)
            .await?;
    if recorded.rows_affected() == 0 { Err(StoreError::UploadTakenOver) } else { Ok(()) }
}

pub(super) async fn complete(
    db: &mut PgConnection,
    medium_id: MediumId,
    sha256: [u8; 32],
    object: &ObjectName,
    (now, expires_at): (UnixMs, UnixMs),
) -> Result<Medium, StoreError> {
    hold_upload(db, medium_id).await?;
    sqlx::query(
        "UPDATE media SET sha256 = $2, completed_at = $3, expires_at = $4, object = $5 \
         WHERE id = $1 AND sha256 IS NULL \
         AND size = (SELECT \"offset\" FROM uploads WHERE medium_id = $1)",
    )
    .bind(medium_id.uuid())
    .bind(&sha256[..])
    .bind(int(now.0))
    .bind(int(expires_at.0))
    .bind(object.as_str())
    .execute(&mut *db)
    .await?;
    let row = sqlx::query("SELECT * FROM media WHERE id = $1 AND sha256 IS NOT NULL")
        .bind(medium_id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::NotFound("upload with all its bytes"))?;
    for statement in [
        "DELETE FROM uploads WHERE medium_id = $1",
        "DELETE FROM multiparts WHERE medium_id = $1 \
         AND name = (SELECT object FROM media WHERE id = $1)",
    ] {
        sqlx::query(statement).bind(medium_id.uuid()).execute(&mut *db).await?;
    }
    medium(&row)?.ok_or_else(|| StoreError::Damaged("a complete medium without digest".to_owned()))
}

pub(super) async fn remove(
    db: &mut PgConnection,
    owner_id: UserId,
    medium_id: MediumId,
) -> Result<(), StoreError> {
    hold_upload(db, medium_id).await?;
    let removed = sqlx::query(
        "DELETE FROM media WHERE id = $1 AND owner_id = $2 AND completed_at IS NULL \
         RETURNING id, owner_id, request_id",
    )
    .bind(medium_id.uuid())
    .bind(owner_id.uuid())
    .fetch_optional(&mut *db)
    .await?
    .ok_or(StoreError::NotFound("unfinished upload"))?;
    forget(db, &[removed]).await.map(|_| ())
}

/// The upload's own row comes before the medium's, for everybody who writes to both.
async fn hold_upload(db: &mut PgConnection, medium_id: MediumId) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM uploads WHERE medium_id = $1 FOR UPDATE")
        .bind(medium_id.uuid())
        .fetch_optional(db)
        .await?;
    Ok(())
}

/// Removes media and uploads past their time, a bounded number of them.
pub(super) async fn sweep(
    db: &mut PgConnection,
    now: UnixMs,
    limit: i64,
) -> Result<Vec<MediumId>, StoreError> {
    let rows =
        sqlx::query("SELECT id FROM media WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2")
            .bind(int(now.0))
            .bind(limit)
            .fetch_all(&mut *db)
            .await?;
    let expired = rows.iter().map(|row| id(row, "id")).collect::<Result<Vec<MediumId>, _>>()?;
    if expired.is_empty() {
        return Ok(expired);
    }
    sqlx::query("SELECT 1 FROM uploads WHERE medium_id = ANY($1) ORDER BY medium_id FOR UPDATE")
        .bind(ids(&expired))
        .fetch_all(&mut *db)
        .await?;
    // Who was named, or grew, while this waited stays.
    let rows = sqlx::query(
        "WITH held AS (SELECT id FROM media WHERE id = ANY($1) AND expires_at <= $2 \
             ORDER BY id FOR UPDATE) \
         DELETE FROM media USING held WHERE media.id = held.id \
         RETURNING media.id, media.owner_id, media.request_id",
    )
    .bind(ids(&expired))
    .bind(int(now.0))
    .fetch_all(&mut *db)
    .await?;
    forget(db, &rows).await
}

/// Removes what belongs to media whose rows are gone; which they were.
async fn forget(db: &mut PgConnection, rows: &[PgRow]) -> Result<Vec<MediumId>, StoreError> {
    let gone = rows.iter().map(|row| id(row, "id")).collect::<Result<Vec<MediumId>, _>>()?;
    for statement in [
        "DELETE FROM uploads WHERE medium_id = ANY($1)",
        "DELETE FROM grants WHERE medium_id = ANY($1)",
    ] {
        sqlx::query(statement).bind(ids(&gone)).execute(&mut *db).await?;
    }
    let (mut owners, mut requests): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for row in rows {
        if let Some(request_id) = optional_id(row, "request_id")? {
            owners.push(id(row, "owner_id")?);
            requests.push(request_id);
        }
    }
    sqlx::query(
        "DELETE FROM upload_requests r USING unnest($1::uuid[], $2::uuid[]) \
             AS gone(owner_id, request_id) \
         WHERE r.owner_id = gone.owner_id AND r.request_id = gone.request_id",
    )
    .bind(owners)
    .bind(requests)
    .execute(db)
    .await?;
    Ok(gone)
}
