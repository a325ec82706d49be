//! What the operator asks.

use async_trait::async_trait;
use nudge_proto::{ConversationId, MessageId, UserId};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{PostgresStore, story};
use crate::{
    limits::STATS_COUNT_MAX,
    store::{
        MessageStory, Operations, Passed, Span, StoreError, StoreStats,
        rows::{int, passed_message, stats},
    },
};

#[async_trait]
impl Operations for PostgresStore {
    async fn passed(&self, spans: &[Span]) -> Result<Vec<Passed>, StoreError> {
        self.read(|db, _| Box::pin(passed(db, spans))).await
    }

    async fn message_story(&self, id: MessageId) -> Result<Option<MessageStory>, StoreError> {
        self.read(|db, _| Box::pin(story::read(db, id))).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.read(|db, _| Box::pin(read_stats(db))).await
    }
}

async fn read_stats(db: &mut PgConnection) -> Result<StoreStats, StoreError> {
    stats(&sqlx::query(AssertSqlSafe(stats_sql())).fetch_one(db).await?)
}

async fn passed(db: &mut PgConnection, spans: &[Span]) -> Result<Vec<Passed>, StoreError> {
    let (mut inboxes, mut conversations) = (Columns::default(), Columns::default());
    for (place, span) in spans.iter().enumerate() {
        match *span {
            Span::Inbox { user_id, above, through } => {
                inboxes.push(place, user_id, None, (above.0, through.0));
            }
            Span::Conversation { user_id, conversation_id, above, through } => {
                conversations.push(place, user_id, Some(conversation_id), (above.0, through.0));
            }
        }
    }
    let mut all = Vec::new();
    if !inboxes.places.is_empty() {
        let Columns { places, users, above, through, .. } = inboxes;
        let query = sqlx::query(PASSED_IN_INBOXES).bind(places).bind(users);
        let rows = query.bind(above).bind(through).fetch_all(&mut *db).await?;
        all.extend(rows.iter().map(passed_message).collect::<Result<Vec<_>, _>>()?);
    }
    if !conversations.places.is_empty() {
        let Columns { places, users, conversations, above, through } = conversations;
        let query = sqlx::query(PASSED_IN_CONVERSATIONS).bind(places).bind(users);
        let rows = query.bind(conversations).bind(above).bind(through).fetch_all(db).await?;
        all.extend(rows.iter().map(passed_message).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

/// Spans for `unnest`.
#[derive(Default)]
struct Columns {
    places: Vec<i64>,
    users: Vec<Uuid>,
    conversations: Vec<Uuid>,
    above: Vec<i64>,
    through: Vec<i64>,
}

impl Columns {
    fn push(
        &mut self,
        place: usize,
        user_id: UserId,
        conversation_id: Option<ConversationId>,
        (above, through): (u64, u64),
    ) {
        self.places.push(int(place as u64));
        self.users.push(user_id.uuid());
        self.conversations.extend(conversation_id.map(ConversationId::uuid));
        self.above.push(int(above));
        self.through.push(int(through));
    }
}

pub(super) const PASSED_IN_INBOXES: &str = "SELECT w.span, m.id, m.sent_at \
     FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[]) \
         AS w(span, user_id, above, through) \
     JOIN inbox_entries e ON e.user_id = w.user_id AND e.seq > w.above AND e.seq <= w.through \
     JOIN messages m ON m.conversation_id = e.conversation_id AND m.seq = e.conversation_seq \
     WHERE m.change IS NULL AND m.sender_id <> w.user_id";

pub(super) const PASSED_IN_CONVERSATIONS: &str = "SELECT w.span, m.id, m.sent_at \
     FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[]) \
         AS w(span, user_id, conversation_id, above, through) \
     JOIN messages m ON m.conversation_id = w.conversation_id \
         AND m.seq > w.above AND m.seq <= w.through \
     JOIN members r ON r.conversation_id = m.conversation_id AND r.user_id = w.user_id \
         AND r.read_seq >= m.seq \
     WHERE m.change IS NULL AND NOT m.refused AND m.sender_id <> w.user_id";

/// Each is counted up to its limit, along the smallest index there is.
fn stats_sql() -> String {
    let count = |what: &str| {
        format!("(SELECT count(*) FROM (SELECT 1 FROM {what} LIMIT {STATS_COUNT_MAX}) AS counted)")
    };
    let sum = |column: &str, what: &str| {
        format!(
            "(SELECT coalesce(sum({column}), 0)::bigint FROM (SELECT {column} FROM {what} LIMIT {STATS_COUNT_MAX}) AS counted)"
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
        count("users WHERE deleting"),
    )
}
