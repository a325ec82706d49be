//! What the operator asks.

use async_trait::async_trait;
use nudge_proto::MessageId;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{SqliteStore, arguments::json, story};
use crate::{
    limits::STATS_COUNT_MAX,
    store::{
        MessageStory, Operations, Passed, Span, StoreError, StoreStats,
        rows::{passed_message, stats},
    },
};

#[async_trait]
impl Operations for SqliteStore {
    async fn passed(&self, spans: &[Span]) -> Result<Vec<Passed>, StoreError> {
        passed(&mut *self.read().await?, spans).await
    }

    async fn message_story(&self, id: MessageId) -> Result<Option<MessageStory>, StoreError> {
        story::read(&mut *self.read().await?, id).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        let row = sqlx::query(AssertSqlSafe(stats_sql())).fetch_one(&self.readers).await?;
        stats(&row)
    }
}

async fn passed(db: &mut SqliteConnection, spans: &[Span]) -> Result<Vec<Passed>, StoreError> {
    let (mut inboxes, mut conversations) = (Vec::new(), Vec::new());
    for (place, span) in spans.iter().enumerate() {
        match *span {
            Span::Inbox { user_id, above, through } => {
                inboxes.push((place, user_id, above.0, through.0));
            }
            Span::Conversation { user_id, conversation_id, above, through } => {
                conversations.push((place, user_id, conversation_id, above.0, through.0));
            }
        }
    }
    let mut all = Vec::new();
    if !inboxes.is_empty() {
        let rows = sqlx::query(PASSED_IN_INBOXES).bind(json(&inboxes)?).fetch_all(&mut *db).await?;
        all.extend(rows.iter().map(passed_message).collect::<Result<Vec<_>, _>>()?);
    }
    if !conversations.is_empty() {
        let rows =
            sqlx::query(PASSED_IN_CONVERSATIONS).bind(json(&conversations)?).fetch_all(db).await?;
        all.extend(rows.iter().map(passed_message).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

/// Rows of place, user, above, through.
pub(super) const PASSED_IN_INBOXES: &str = "SELECT value->>0 AS span, m.id, m.sent_at FROM json_each(?) \
     CROSS JOIN inbox_entries e ON e.user_id = unhex(value->>1, '-') \
         AND e.seq > value->>2 AND e.seq <= value->>3 \
     CROSS JOIN messages m ON m.conversation_id = e.conversation_id AND m.seq = e.conversation_seq \
     WHERE m.change IS NULL AND m.sender_id <> e.user_id";

/// Rows of place, user, conversation, above, through.
pub(super) const PASSED_IN_CONVERSATIONS: &str = "SELECT value->>0 AS span, m.id, m.sent_at FROM json_each(?) \
     CROSS JOIN messages m ON m.conversation_id = unhex(value->>2, '-') \
         AND m.seq > value->>3 AND m.seq <= value->>4 \
     CROSS JOIN members r ON r.conversation_id = m.conversation_id \
         AND r.user_id = unhex(value->>1, '-') AND r.read_seq >= m.seq \
     WHERE m.change IS NULL AND m.refused = 0 AND m.sender_id <> unhex(value->>1, '-')";

/// Each is counted up to its limit, along the smallest index there is.
fn stats_sql() -> String {
    let count = |what: &str| {
        format!("(SELECT count(*) FROM (SELECT 1 FROM {what} LIMIT {STATS_COUNT_MAX}))")
    };
    let sum = |column: &str, what: &str| {
        format!(
            "(SELECT coalesce(sum({column}), 0) FROM (SELECT {column} FROM {what} LIMIT {STATS_COUNT_MAX}))"
        )
    };
    format!(
        "SELECT {} AS users, {} AS devices, {} AS conversations, {} AS messages, \
             {} AS inbox_numbers, {} AS media, {} AS media_bytes, {} AS uploads, \
             {} AS receipts_due, {} AS deletions",
        count("users WHERE deleted_at IS NULL"),
        count("devices WHERE revoked_at IS NULL"),
        count("conversations"),
        count("messages"),
        sum("head", "inboxes"),
        count("media WHERE completed_at IS NOT NULL"),
        sum("size", "media WHERE completed_at IS NOT NULL"),
        count("uploads"),
        count("receipts_due WHERE due_at IS NOT NULL"),
        count("users WHERE deleting = 1"),
    )
}
