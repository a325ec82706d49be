//! Messages and changes as they are stored and read.

use std::collections::HashMap;

use sqlx::{PgConnection, postgres::PgRow};

use crate::store::{
    HistoryItem, StoreError,
    rows::{int, items, media_by_message, naming_media},
};

/// Keeps the rows of `messages m` that user $1 may see at time $2.
pub(super) const VISIBLE: &str = "(m.expires_at IS NULL OR m.expires_at > $2) \
     AND (NOT m.refused OR m.sender_id = $1) \
     AND EXISTS (SELECT 1 FROM memberships i WHERE i.conversation_id = m.conversation_id \
         AND i.user_id = $1 AND i.joined_seq <= m.seq AND (i.left_seq IS NULL OR m.seq < i.left_seq))";

/// The messages, with their media, and changes of the rows, in their order.
pub(super) async fn read_items(
    db: &mut PgConnection,
    rows: &[PgRow],
) -> Result<Vec<HistoryItem>, StoreError> {
    let naming = naming_media(rows)?;
    if naming.is_empty() {
        return items(rows, HashMap::new());
    }
    let found = sqlx::query(MEDIA_SQL)
        .bind(naming.iter().map(|(conversation, _)| conversation.uuid()).collect::<Vec<_>>())
        .bind(naming.iter().map(|(_, seq)| int(seq.0)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    items(rows, media_by_message(&found)?)
}

/// The media of the messages of conversations $1 with numbers $2.
pub(super) const MEDIA_SQL: &str = "SELECT g.conversation_id, g.conversation_seq, media.id, media.file_name, \
         media.content_type, media.size, media.sha256, media.completed_at, media.object \
     FROM unnest($1::uuid[], $2::bigint[]) AS wanted(conversation_id, seq) \
     JOIN grants g ON g.conversation_id = wanted.conversation_id \
         AND g.conversation_seq = wanted.seq \
     JOIN media ON media.id = g.medium_id ORDER BY g.position";
