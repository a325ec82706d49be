use async_trait::async_trait;
use nudge_proto::{MediumId, RequestId, UserId};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore, arguments::ids, grants::readable, multiparts, uploads, users::hold_for_counting,
};
use crate::{
    objects::{Layout, Multipart, ObjectName},
    store::{
        Append, AppendCommit, Media, Medium, MediumState, NewUpload, StoreError, UnixMs, Upload,
        rows::{digest, id, int, medium, number, upload},
        rules::{MediaUse, judge_upload, judge_upload_retry},
    },
};

#[async_trait]
impl Media for PostgresStore {
    async fn create_upload(&self, new: NewUpload) -> Result<(Upload, bool), StoreError> {
        self.write(|db, _| Box::pin(create(db, &new))).await
    }

    async fn upload(&self, owner_id: UserId, id: MediumId) -> Result<Upload, StoreError> {
        self.read(|db, _| Box::pin(own_upload(db, owner_id, id))).await
    }

    async fn begin_append(
        &self,
        owner_id: UserId,
        id: MediumId,
        offset: u64,
    ) -> Result<Append, StoreError> {
        self.write(|db, _| Box::pin(uploads::begin(db, owner_id, id, offset))).await
    }

    async fn commit_append(&self, commit: AppendCommit) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(uploads::commit_append(db, &commit))).await
    }

    async fn record_layout(
        &self,
        id: MediumId,
        fence: u64,
        layout: Layout,
    ) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(uploads::record_layout(db, id, fence, &layout))).await
    }

    async fn layout(&self, id: MediumId) -> Result<Option<Layout>, StoreError> {
        self.read(|db, _| Box::pin(layout(db, id))).await
    }

    async fn complete_upload(
        &self,
        id: MediumId,
        sha256: [u8; 32],
        object: ObjectName,
        now: UnixMs,
        expires_at: UnixMs,
    ) -> Result<Medium, StoreError> {
        self.write(|db, _| Box::pin(uploads::complete(db, id, sha256, &object, (now, expires_at))))
            .await
    }

    async fn remove_upload(&self, owner_id: UserId, id: MediumId) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(uploads::remove(db, owner_id, id))).await
    }

    async fn medium(
        &self,
        user_id: UserId,
        id: MediumId,
        now: UnixMs,
    ) -> Result<Medium, StoreError> {
        self.read(|db, _| Box::pin(readable_medium(db, user_id, id, now))).await
    }

    async fn media_states(&self, ids: &[MediumId]) -> Result<Vec<MediumState>, StoreError> {
        self.read(|db, _| Box::pin(states(db, ids))).await
    }

    async fn remember_multipart(
        &self,
        id: MediumId,
        multipart: Multipart,
    ) -> Result<(), StoreError> {
        self.write(|db, _| Box::pin(multiparts::remember(db, id, &multipart))).await
    }

    async fn lost_multiparts(
        &self,
        limit: usize,
    ) -> Result<Vec<(MediumId, Multipart)>, StoreError> {
        self.read(|db, _| Box::pin(multiparts::lost(db, limit))).await
    }

    async fn multipart_aborted(&self, id: MediumId, name: &ObjectName) -> Result<(), StoreError> {
        // The second time forgets it: twice must be two calls.
        self.write_once(|db, _| Box::pin(multiparts::aborted(db, id, name))).await
    }
}

async fn layout(db: &mut PgConnection, id: MediumId) -> Result<Option<Layout>, StoreError> {
    let layout: Option<String> =
        sqlx::query_scalar("SELECT layout FROM uploads WHERE medium_id = $1")
            .bind(id.uuid())
            .fetch_optional(db)
            .await?;
    Ok(layout.map(Layout))
}

async fn states(db: &mut PgConnection, media: &[MediumId]) -> Result<Vec<MediumState>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.id, m.object FROM unnest($1::uuid[]) WITH ORDINALITY AS asked(id, place) \
         LEFT JOIN media m ON m.id = asked.id ORDER BY asked.place",
    )
    .bind(ids(media))
    .fetch_all(db)
    .await?;
    rows.iter().map(state).collect()
}

fn state(row: &PgRow) -> Result<MediumState, StoreError> {
    let known: Option<Uuid> = row.try_get("id")?;
    let object: Option<String> = row.try_get("object")?;
    Ok(match (known, object) {
        (None, _) => MediumState::Unknown,
        (Some(_), None) => MediumState::Unfinished,
        (Some(_), Some(object)) => MediumState::Complete { object: ObjectName(object) },
    })
}

/// A complete medium that the user uploaded, or that a message names which he may see.
async fn readable_medium(
    db: &mut PgConnection,
    user_id: UserId,
    id: MediumId,
    now: UnixMs,
) -> Result<Medium, StoreError> {
    if !readable(db, &[(user_id, id)], now).await?.contains(&(user_id, id)) {
        return Err(StoreError::NotFound("medium"));
    }
    let row =
        sqlx::query("SELECT * FROM media WHERE id = $1").bind(id.uuid()).fetch_one(db).await?;
    medium(&row)?.ok_or(StoreError::NotFound("medium"))
}

/// The owner's row is held: his quota is counted and used up by one at a time.
async fn create(db: &mut PgConnection, new: &NewUpload) -> Result<(Upload, bool), StoreError> {
    hold_for_counting(db, new.owner_id).await?;
    if let Some(row) = requested(db, new).await? {
        judge_upload_retry(new, number(&row, "size")?, digest(&row, "declared_sha256")?)?;
        let made = id(&row, "id")?;
        return Ok((own_upload(db, new.owner_id, made).await?, made == new.id));
    }
    judge_upload(new, media_use(db, new.owner_id).await?)?;
    sqlx::query(
        "INSERT INTO media (id, owner_id, request_id, file_name, content_type, size, \
         declared_sha256, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
    sqlx::query(
        "INSERT INTO uploads (medium_id, \"offset\", fence, digest_state) VALUES ($1, 0, 0, $2)",
    )
    .bind(new.id.uuid())
    .bind(&new.digest_state)
    .execute(&mut *db)
    .await?;
    Ok((own_upload(db, new.owner_id, new.id).await?, true))
}

/// What was made under the same client-made id; the id stands for `new` from now on when nothing was.
async fn requested(db: &mut PgConnection, new: &NewUpload) -> Result<Option<PgRow>, StoreError> {
    let Some(request_id) = new.request_id else {
        return Ok(None);
    };
    let claimed = sqlx::query(
        "INSERT INTO upload_requests (owner_id, request_id, medium_id) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(new.owner_id.uuid())
    .bind(request_id.uuid())
    .bind(new.id.uuid())
    .execute(&mut *db)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT m.id, m.size, m.declared_sha256 FROM upload_requests r \
         JOIN media m ON m.id = r.medium_id WHERE r.owner_id = $1 AND r.request_id = $2",
    )
    .bind(new.owner_id.uuid())
    .bind(request_id.uuid())
    .fetch_one(db)
    .await?;
    Ok(Some(row))
}

async fn media_use(db: &mut PgConnection, owner_id: UserId) -> Result<MediaUse, StoreError> {
    let (bytes, unfinished): (i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(size), 0)::bigint, count(*) FILTER (WHERE completed_at IS NULL) \
         FROM media WHERE owner_id = $1",
    )
    .bind(owner_id.uuid())
    .fetch_one(db)
    .await?;
    Ok(MediaUse { bytes: bytes.cast_unsigned(), unfinished: unfinished.cast_unsigned() as usize })
}

pub(super) async fn own_upload(
    db: &mut PgConnection,
    owner_id: UserId,
    medium_id: MediumId,
) -> Result<Upload, StoreError> {
    let row = sqlx::query(
        "SELECT media.*, coalesce(uploads.\"offset\", media.size) AS \"offset\" FROM media \
         LEFT JOIN uploads ON uploads.medium_id = media.id WHERE media.id = $1 AND owner_id = $2",
    )
    .bind(medium_id.uuid())
    .bind(owner_id.uuid())
    .fetch_optional(db)
    .await?
    .ok_or(StoreError::NotFound("upload"))?;
    upload(&row)
}
