//! The rows that writes take first, in the one order.

use nudge_proto::{ConversationId, ConversationSeq};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::arguments::ids;
use crate::store::{
    ConversationKind, StoreError,
    rows::{id, kind, number},
};

/// A conversation whose row this transaction holds: its numbers and members stand still.
#[derive(Clone, Debug)]
pub(super) struct Locked {
    pub(super) id: ConversationId,
    pub(super) kind: ConversationKind,
    pub(super) title: String,
    /// The newest number.
    pub(super) head: ConversationSeq,
}

/// What depends on the row is to be read after this, by another statement: this one may have waited, and saw
/// everything else as it was before.
///
/// # Errors
///
/// [`StoreError::NotFound`].
pub(super) async fn lock_conversation(
    db: &mut PgConnection,
    id: ConversationId,
) -> Result<Locked, StoreError> {
    lock_conversations(db, &[id]).await?.pop().ok_or(StoreError::NotFound("conversation"))
}

/// Those of the conversations that are there, by id.
pub(super) async fn lock_conversations(
    db: &mut PgConnection,
    conversations: &[ConversationId],
) -> Result<Vec<Locked>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, kind, title, head FROM conversations WHERE id = ANY($1) \
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(ids(conversations))
    .fetch_all(db)
    .await?;
    let locked = |row: &PgRow| {
        Ok(Locked {
            id: id(row, "id")?,
            kind: kind(row)?,
            title: row.try_get("title")?,
            head: ConversationSeq(number(row, "head")?),
        })
    };
    rows.iter().map(locked).collect()
}
