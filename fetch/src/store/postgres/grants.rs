//! Who may read which medium.

use std::collections::HashSet;

use nudge_proto::{MediumId, UserId};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::arguments::ids;
use crate::store::{
    StoreError, UnixMs,
    rows::{id, int},
};

/// Those of the pairs whose medium is complete and was uploaded by the user, or is named by a message
/// that he may see.
pub(super) async fn readable(
    db: &mut PgConnection,
    wanted: &[(UserId, MediumId)],
    now: UnixMs,
) -> Result<HashSet<(UserId, MediumId)>, StoreError> {
    let (users, media): (Vec<Uuid>, Vec<Uuid>) =
        wanted.iter().map(|(user, medium)| (user.uuid(), medium.uuid())).unzip();
    let rows =
        sqlx::query(READABLE_SQL).bind(users).bind(media).bind(int(now.0)).fetch_all(db).await?;
    let pair = |row: &PgRow| Ok((id(row, "user_id")?, id(row, "medium_id")?));
    rows.iter().map(pair).collect()
}

/// Of users $1 and media $2, at time $3.
pub(super) const READABLE_SQL: &str = "SELECT w.user_id, w.medium_id FROM unnest($1::uuid[], $2::uuid[]) AS w(user_id, medium_id) \
     JOIN media m ON m.id = w.medium_id \
     WHERE m.sha256 IS NOT NULL AND (m.owner_id = w.user_id OR EXISTS \
         (SELECT 1 FROM grants g JOIN memberships i ON i.conversation_id = g.conversation_id \
              AND i.user_id = w.user_id AND i.joined_seq <= g.conversation_seq \
              AND (i.left_seq IS NULL OR g.conversation_seq < i.left_seq) \
          WHERE g.medium_id = w.medium_id AND (g.only_for IS NULL OR g.only_for = w.user_id) \
              AND (g.expires_at IS NULL OR g.expires_at > $3)))";

/// As [`readable`], for who is about to name the media in messages: no sweep takes them away before.
pub(super) async fn hold_readable(
    db: &mut PgConnection,
    wanted: &[(UserId, MediumId)],
    now: UnixMs,
) -> Result<HashSet<(UserId, MediumId)>, StoreError> {
    let media: Vec<MediumId> = wanted.iter().map(|(_, medium)| *medium).collect();
    sqlx::query("SELECT 1 FROM media WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(ids(&media))
        .fetch_all(&mut *db)
        .await?;
    readable(db, wanted, now).await
}
