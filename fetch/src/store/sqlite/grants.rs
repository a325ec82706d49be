//! Who may read which medium.

use std::collections::HashSet;

use nudge_proto::{MediumId, UserId};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::arguments::json;
use crate::store::{
    StoreError, UnixMs,
    rows::{id, int},
};

/// Those of the pairs whose medium is complete and was uploaded by the user, or is named by a message
/// that he may see.
pub(super) async fn readable(
    db: &mut SqliteConnection,
    wanted: &[(UserId, MediumId)],
    now: UnixMs,
) -> Result<HashSet<(UserId, MediumId)>, StoreError> {
    let rows = sqlx::query(
        "WITH wanted AS (SELECT unhex(value->>0, '-') AS user_id, unhex(value->>1, '-') AS medium_id \
             FROM json_each(?1)) \
         SELECT w.user_id, w.medium_id FROM wanted w CROSS JOIN media m ON m.id = w.medium_id \
         WHERE m.sha256 IS NOT NULL AND (m.owner_id = w.user_id OR EXISTS \
             (SELECT 1 FROM grants g JOIN memberships i ON i.conversation_id = g.conversation_id \
                  AND i.user_id = w.user_id AND i.joined_seq <= g.conversation_seq \
                  AND (i.left_seq IS NULL OR g.conversation_seq < i.left_seq) \
              WHERE g.medium_id = w.medium_id AND (g.only_for IS NULL OR g.only_for = w.user_id) \
                  AND (g.expires_at IS NULL OR g.expires_at > ?2)))",
    )
    .bind(json(&wanted)?)
    .bind(int(now.0))
    .fetch_all(db)
    .await?;
    let pair = |row: &SqliteRow| Ok((id(row, "user_id")?, id(row, "medium_id")?));
    rows.iter().map(pair).collect()
}
