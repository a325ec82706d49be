use async_trait::async_trait;
use nudge_proto::{MediumId, RequestId, UserId};
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, grants::readable, multiparts};
use crate::{
    objects::{Layout, Multipart, ObjectName},
    store::{
        Append, AppendCommit, Media, Medium, MediumState, NewUpload, StoreError, UnixMs, Upload,
        rows::{digest, id, int, medium, number, upload},
        rules::{MediaUse, judge_upload, judge_upload_retry},
    },
};

#[async_trait]
impl Media for SqliteStore {
    async fn create_upload(&self, new: NewUpload) -> Result<(Upload, bool), StoreError> {
        self.writer.write(move |db| Box::pin(async move { create(db, &new).await })).await
    }

    async fn upload(&self, owner_id: UserId, id: MediumId) -> Result<Upload, StoreError> {
        own_upload(&mut *self.read().await?, owner_id, id).await
    }

    async fn begin_append(
        &self,
        owner_id: UserId,
        id: MediumId,
        offset: u64,
    ) -> Result<Append, StoreError> {
        self.writer.write(move |db| Box::pin(begin(db, owner_id, id, offset))).await
    }

    async fn commit_append(&self, commit: AppendCommit) -> Result<(), StoreError> {
        self.writer.write(move |db| Box::pin(async move { commit_append(db, &commit).await })).await
    }

    async fn record_layout(
        &self,
        id: MediumId,
        fence: u64,
        layout: Layout,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |db| Box::pin(async move { record_layout(db, id, fence, &layout).await }))
            .await
    }

    async fn layout(&self, id: MediumId) -> Result<Option<Layout>, StoreError> {
        let layout: Option<String> =
            sqlx::query_scalar("SELECT layout FROM uploads WHERE medium_id = ?")
                .bind(id.uuid())
                .fetch_optional(&self.readers)
                .await?;
        Ok(layout.map(Layout))
    }

    async fn complete_upload(
        &self,
        id: MediumId,
        sha256: [u8; 32],
        object: ObjectName,
        now: UnixMs,
        expires_at: UnixMs,
    ) -> Result<Medium, StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move { complete(db, id, sha256, &object, (now, expires_at)).await })
            })
            .await
    }

    async fn remove_upload(&self, owner_id: UserId, id: MediumId) -> Result<(), StoreError> {
        self.writer.write(move |db| Box::pin(remove(db, owner_id, id))).await
    }

    async fn medium(
        &self,
        user_id: UserId,
        id: MediumId,
        now: UnixMs,
    ) -> Result<Medium, StoreError> {
        readable_medium(&mut *self.read().await?, user_id, id, now).await
    }

    async fn media_states(&self, ids: &[MediumId]) -> Result<Vec<MediumState>, StoreError> {
        let db = &mut *self.read().await?;
        let mut states = Vec::with_capacity(ids.len());
        for id in ids {
            let object: Option<Option<String>> =
                sqlx::query_scalar("SELECT object FROM media WHERE id = ?")
                    .bind(id.uuid())
                    .fetch_optional(&mut *db)
                    .await?;
            states.push(match object {
                None => MediumState::Unknown,
                Some(None) => MediumState::Unfinished,
                Some(Some(object)) => MediumState::Complete { object: ObjectName(object) },
            });
        }
        Ok(states)
    }

    async fn remember_multipart(
        &self,
        id: MediumId,
        multipart: Multipart,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move { multiparts::remember(db, id, &multipart).await })
            })
            .await
    }

    async fn lost_multiparts(
        &self,
        limit: usize,
    ) -> Result<Vec<(MediumId, Multipart)>, StoreError> {
        multiparts::lost(&mut *self.read().await?, limit).await
    }

    async fn multipart_aborted(&self, id: MediumId, name: &ObjectName) -> Result<(), StoreError> {
        let name = name.clone();
        self.writer
            .write(move |db| Box::pin(async move { multiparts::aborted(db, id, &name).await }))
            .await
    }
}

/// A complete medium that the user uploaded, or that a message names which he may see.
pub(super) async fn readable_medium(
    db: &mut SqliteConnection,
    user_id: UserId,
    id: MediumId,
    now: UnixMs,
) -> Result<Medium, StoreError> {
    if !readable(db, &[(user_id, id)], now).await?.contains(&(user_id, id)) {
        return Err(StoreError::NotFound("medium"));
    }
    let row = sqlx::query("SELECT * FROM media WHERE id = ?").bind(id.uuid()).fetch_one(db).await?;
    medium(&row)?.ok_or(StoreError::NotFound("medium"))
}

async fn create(db: &mut SqliteConnection, new: &NewUpload) -> Result<(Upload, bool), StoreError> {
    let existing = sqlx::query(
        "SELECT id, size, declared_sha256 FROM media WHERE owner_id = ? AND request_id = ?",
    )
    .bind(new.owner_id.uuid())
    .bind(new.request_id.map(RequestId::uuid))
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = existing {
        judge_upload_retry(new, number(&row, "size")?, digest(&row, "declared_sha256")?)?;
        return Ok((own_upload(db, new.owner_id, id(&row, "id")?).await?, false));
    }
    judge_upload(new, media_use(db, new.owner_id).await?)?;
    sqlx::query(
        "INSERT INTO media (id, owner_id, request_id, file_name, content_type, size, \
         declared_sha256, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.uuid())
    .bind(new.owner_id.uuid())
    .bind(new.request_id.map(RequestId::uuid))
    .bind(&new.file_name)
    .bind(&new.content_type)
    .bind(int(new.size))
    .bind(new.declared_sha256.map(|sha256| sha256.to_vec()))
    .bind(int(new.now.0))
    .bind(int(new.expires_at.0))
    .execute(&mut *db)
    .await?;
    sqlx::query("INSERT INTO uploads (medium_id, offset, fence, digest_state) VALUES (?, 0, 0, ?)")
        .bind(new.id.uuid())
        .bind(&new.digest_state)
        .execute(&mut *db)
        .await?;
    Ok((own_upload(db, new.owner_id, new.id).await?, true))
}

async fn media_use(db: &mut SqliteConnection, owner_id: UserId) -> Result<MediaUse, StoreError> {
    let (bytes, unfinished): (i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(size), 0), count(*) FILTER (WHERE completed_at IS NULL) \
         FROM media WHERE owner_id = ?",
    )
    .bind(owner_id.uuid())
    .fetch_one(db)
    .await?;
    Ok(MediaUse { bytes: bytes.cast_unsigned(), unfinished: unfinished.cast_unsigned() as usize })
}

async fn own_upload(
    db: &mut SqliteConnection,
    owner_id: UserId,
    medium_id: MediumId,
) -> Result<Upload, StoreError> {
    let row = sqlx::query(
        "SELECT media.*, coalesce(uploads.offset, media.size) AS offset FROM media \
         LEFT JOIN uploads ON uploads.medium_id = media.id WHERE media.id = ? AND owner_id = ?",
    )
    .bind(medium_id.uuid())
    .bind(owner_id.uuid())
    .fetch_optional(db)
    .await?
    .ok_or(StoreError::NotFound("upload"))?;
    upload(&row)
}

async fn begin(
    db: &mut SqliteConnection,
    owner_id: UserId,
    medium_id: MediumId,
    offset: u64,
) -> Result<Append, StoreError> {
    let upload = own_upload(db, owner_id, medium_id).await?;
    if upload.offset != offset {
        return Err(StoreError::OffsetMismatch { given: offset, offset: upload.offset });
    }
    let row = sqlx::query(
        "UPDATE uploads SET fence = fence + 1 WHERE medium_id = ? \
         RETURNING fence, layout, digest_state",
    )
    .bind(medium_id.uuid())
    .fetch_optional(db)
    .await?
    .ok_or(StoreError::NotFound("unfinished upload"))?;
    Ok(Append {
        fence: number(&row, "fence")?,
        upload,
        layout: row.try_get("layout").map(Layout)?,
        digest_state: row.try_get("digest_state")?,
    })
}

async fn commit_append(db: &mut SqliteConnection, commit: &AppendCommit) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE uploads SET offset = ?, layout = ?, digest_state = ? \
         WHERE medium_id = ? AND fence = ?",
    )
    .bind(int(commit.offset))
    .bind(commit.layout.as_str())
    .bind(&commit.digest_state)
    .bind(commit.id.uuid())
    .bind(int(commit.fence))
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Err(StoreError::UploadTakenOver);
    }
    sqlx::query("UPDATE media SET expires_at = max(expires_at, ?2) WHERE id = ?1")
        .bind(commit.id.uuid())
        .bind(int(commit.expires_at.0))
        .execute(db)
        .await?;
    Ok(())
}

async fn record_layout(
    db: &mut SqliteConnection,
    medium_id: MediumId,
    fence: u64,
    layout: &Layout,
) -> Result<(), StoreError> {
    let recorded = sqlx::query("UPDATE uploads SET layout = ? WHERE medium_id = ? AND fence = ?")
        .bind(layout.as_str())
        .bind(medium_id.uuid())
        .bind(int(fence))
        .execute(db)
        .await?;
    if recorded.rows_affected() == 0 { Err(StoreError::UploadTakenOver) } else { Ok(()) }
}

async fn complete(
    db: &mut SqliteConnection,
    medium_id: MediumId,
    sha256: [u8; 32],
    object: &ObjectName,
    (now, expires_at): (UnixMs, UnixMs),
) -> Result<Medium, StoreError> {
    sqlx::query(
        "UPDATE media SET sha256 = ?2, completed_at = ?3, expires_at = ?4, object = ?5 \
         WHERE id = ?1 AND sha256 IS NULL \
         AND size = (SELECT offset FROM uploads WHERE medium_id = ?1)",
    )
    .bind(medium_id.uuid())
    .bind(&sha256[..])
    .bind(int(now.0))
    .bind(int(expires_at.0))
    .bind(object.as_str())
    .execute(&mut *db)
    .await?;
    let row = sqlx::query("SELECT * FROM media WHERE id = ? AND sha256 IS NOT NULL")
        .bind(medium_id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::NotFound("upload with all its bytes"))?;
    for statement in [
        "DELETE FROM uploads WHERE medium_id = ?",
        "DELETE FROM multiparts WHERE medium_id = ?1 \
         AND name = (SELECT object FROM media WHERE id = ?1)",
    ] {
        sqlx::query(statement).bind(medium_id.uuid()).execute(&mut *db).await?;
    }
    medium(&row)?.ok_or_else(|| StoreError::Damaged("a complete medium without digest".to_owned()))
}

async fn remove(
    db: &mut SqliteConnection,
    owner_id: UserId,
    medium_id: MediumId,
) -> Result<(), StoreError> {
    let removed =
        sqlx::query("DELETE FROM media WHERE id = ? AND owner_id = ? AND completed_at IS NULL")
            .bind(medium_id.uuid())
            .bind(owner_id.uuid())
            .execute(&mut *db)
            .await?;
    if removed.rows_affected() == 0 {
        return Err(StoreError::NotFound("unfinished upload"));
    }
    forget_upload(db, medium_id).await
}

/// Removes what belongs to an upload whose row in `media` is gone.
pub(super) async fn forget_upload(
    db: &mut SqliteConnection,
    medium_id: MediumId,
) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM uploads WHERE medium_id = ?", "DELETE FROM grants WHERE medium_id = ?"]
    {
        sqlx::query(statement).bind(medium_id.uuid()).execute(&mut *db).await?;
    }
    Ok(())
}
