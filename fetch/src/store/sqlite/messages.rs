//! Messages and changes as they are stored and read.

use std::collections::HashMap;

use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::arguments::json;
use crate::store::{
    HistoryItem, StoreError,
    rows::{items, media_by_message, naming_media},
};

/// Keeps the rows of `messages m` that user ?1 may see at time ?2.
pub(super) const VISIBLE: &str = "(m.expires_at IS NULL OR m.expires_at > ?2) \
     AND (m.refused = 0 OR m.sender_id = ?1) \
     AND EXISTS (SELECT 1 FROM memberships i WHERE i.conversation_id = m.conversation_id \
         AND i.user_id = ?1 AND i.joined_seq <= m.seq AND (i.left_seq IS NULL OR m.seq < i.left_seq))";

/// The messages, with their media, and changes of the rows, in their order.
pub(super) async fn read_items(
    db: &mut SqliteConnection,
    rows: &[SqliteRow],
) -> Result<Vec<HistoryItem>, StoreError> {
    let naming = naming_media(rows)?;
    if naming.is_empty() {
        return items(rows, HashMap::new());
    }
    let found = sqlx::query(
        "SELECT g.conversation_id, g.conversation_seq, media.* FROM json_each(?) \
         CROSS JOIN grants g ON g.conversation_id = unhex(value->>0, '-') \
             AND g.conversation_seq = value->>1 \
         CROSS JOIN media ON media.id = g.medium_id ORDER BY g.position",
    )
    .bind(json(&naming)?)
    .fetch_all(db)
    .await?;
    items(rows, media_by_message(&found)?)
}
