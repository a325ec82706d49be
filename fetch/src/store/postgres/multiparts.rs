//! Multipart uploads at an object store, which does not list them.

use nudge_proto::MediumId;
use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    objects::{Multipart, ObjectName},
    store::{StoreError, rows::id},
};

pub(super) async fn remember(
    db: &mut PgConnection,
    medium_id: MediumId,
    multipart: &Multipart,
) -> Result<(), StoreError> {
    let remembered = sqlx::query(
        "INSERT INTO multiparts (medium_id, name, multipart_id) \
         SELECT medium_id, $2, $3 FROM uploads WHERE medium_id = $1 \
         ON CONFLICT (medium_id, name) DO UPDATE SET multipart_id = excluded.multipart_id",
    )
    .bind(medium_id.uuid())
    .bind(multipart.name.as_str())
    .bind(&multipart.id)
    .execute(db)
    .await?;
    if remembered.rows_affected() == 0 { Err(StoreError::NotFound("upload")) } else { Ok(()) }
}

pub(super) async fn lost(
    db: &mut PgConnection,
    limit: usize,
) -> Result<Vec<(MediumId, Multipart)>, StoreError> {
    let rows = sqlx::query(
        "SELECT medium_id, name, multipart_id FROM multiparts WHERE NOT EXISTS \
         (SELECT 1 FROM uploads WHERE uploads.medium_id = multiparts.medium_id) LIMIT $1",
    )
    .bind(limit as i64)
    .fetch_all(db)
    .await?;
    let multipart = |row: &PgRow| {
        let name = row.try_get("name").map(ObjectName)?;
        Ok((id(row, "medium_id")?, Multipart { name, id: row.try_get("multipart_id")? }))
    };
    rows.iter().map(multipart).collect()
}

pub(super) async fn aborted(
    db: &mut PgConnection,
    medium_id: MediumId,
    name: &ObjectName,
) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM multiparts WHERE medium_id = $1 AND name = $2 AND aborted",
        "UPDATE multiparts SET aborted = true WHERE medium_id = $1 AND name = $2",
    ] {
        sqlx::query(statement).bind(medium_id.uuid()).bind(name.as_str()).execute(&mut *db).await?;
    }
    Ok(())
}
