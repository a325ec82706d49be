use async_trait::async_trait;
use nudge_proto::{ConversationId, ConversationSeq, DeviceId, UserId, limits::LIST_PAGE_MAX};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    PostgresStore,
    changes::Deed,
    creation,
    members::{self, check_member},
    receipts::mark_due,
    views,
    visible::Kind,
};
use crate::store::{
    Conversation, ConversationKind, ConversationList, ConversationUpdate, Conversations,
    MemberMarks, NewConversation, Outcome, Role, StoreError, UnixMs,
    rows::{id, int, kind, marked_member, number},
    rules::shown_marks,
};

#[async_trait]
impl Conversations for PostgresStore {
    async fn create_conversation(
        &self,
        new: NewConversation,
    ) -> Result<Outcome<(ConversationId, bool)>, StoreError> {
        self.write(|db, _| Box::pin(creation::create(db, &new))).await
    }

    async fn conversation(
        &self,
        user_id: UserId,
        id: ConversationId,
        now: UnixMs,
    ) -> Result<Conversation, StoreError> {
        self.read(|db, _| Box::pin(views::conversation(db, user_id, id, now))).await
    }

    async fn conversations(
        &self,
        user_id: UserId,
        after: Option<ConversationId>,
        limit: usize,
        now: UnixMs,
    ) -> Result<ConversationList, StoreError> {
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        self.read(|db, _| Box::pin(views::list(db, user_id, after, limit, now))).await
    }

    async fn update_conversation(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        update: ConversationUpdate,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let deed = deed(actor, id, now);
        self.write(|db, _| Box::pin(change(db, deed, &update))).await
    }

    async fn put_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        role: Role,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let deed = deed(actor, id, now);
        self.write(|db, _| Box::pin(members::put(db, deed, user_id, role))).await
    }

    async fn remove_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let deed = deed(actor, id, now);
        self.write(|db, _| Box::pin(members::remove(db, deed, user_id))).await
    }

    async fn mark_read(
        &self,
        user_id: UserId,
        id: ConversationId,
        seq: ConversationSeq,
        now: UnixMs,
    ) -> Result<ConversationSeq, StoreError> {
        self.write(|db, _| Box::pin(mark_read(db, user_id, id, seq, now))).await
    }

    async fn marks(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<MemberMarks>, StoreError> {
        self.read(|db, _| Box::pin(marks(db, user_id, conversation_id))).await
    }

    async fn typing_audience(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<UserId>, StoreError> {
        self.read(|db, _| Box::pin(typing_audience(db, user_id, conversation_id))).await
    }
}

const fn deed(
    (actor, device): (UserId, DeviceId),
    conversation_id: ConversationId,
    now: UnixMs,
) -> Deed {
    Deed { conversation_id, actor, device: Some(device), now }
}

/// A refusal undoes what was done before it. The title comes first: it takes the conversation's lock.
async fn change(
    db: &mut PgConnection,
    deed: Deed,
    update: &ConversationUpdate,
) -> Result<Outcome<()>, StoreError> {
    let outcome = match &update.title {
        Some(title) => members::rename(db, deed, title).await?,
        None => Outcome::quiet(()),
    };
    if let Some(until) = update.muted_until {
        set_muted(db, deed.actor, deed.conversation_id, until).await?;
    }
    Ok(outcome)
}

async fn set_muted(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    until: UnixMs,
) -> Result<(), StoreError> {
    let muted = sqlx::query(
        "UPDATE members SET muted_until = $3 WHERE conversation_id = $1 AND user_id = $2 AND known",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .bind(int(until.0))
    .execute(db)
    .await?;
    if muted.rows_affected() == 0 { Err(StoreError::NotFound("conversation")) } else { Ok(()) }
}

/// A mark never rests on what a block refused: it would tell the sender.
async fn mark_read(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    seq: ConversationSeq,
    now: UnixMs,
) -> Result<ConversationSeq, StoreError> {
    let before = hold_read_mark(db, conversation_id, user_id).await?;
    let moved = sqlx::query(AssertSqlSafe(mark_read_sql()))
        .bind(user_id.uuid())
        .bind(int(seq.0.min(i64::MAX as u64)))
        .bind(conversation_id.uuid())
        .execute(&mut *db)
        .await?;
    if moved.rows_affected() > 0 {
        mark_due(db, &[conversation_id], now).await?;
    }
    Ok(before)
}

/// A present member's, which nobody else moves until this transaction ends.
async fn hold_read_mark(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    user_id: UserId,
) -> Result<ConversationSeq, StoreError> {
    let row = sqlx::query(
        "SELECT read_seq FROM members WHERE conversation_id = $1 AND user_id = $2 AND known \
         FOR NO KEY UPDATE",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .fetch_optional(db)
    .await?
    .ok_or(StoreError::NotFound("conversation"))?;
    Ok(ConversationSeq(number(&row, "read_seq")?))
}

/// What was read was delivered, whether or not the device said so yet.
pub(super) fn mark_read_sql() -> String {
    let newest = Kind::ALL.map(|kind| {
        let (seq, rows) = (kind.seq(), kind.rows());
        format!(
            "(SELECT {seq} FROM messages m WHERE m.conversation_id = c.id AND {seq} <= $2 \
                 AND {rows} ORDER BY {seq} DESC LIMIT 1)"
        )
    });
    let newest = newest.join(", ");
    format!(
        "WITH found AS MATERIALIZED (SELECT CASE kind WHEN 'group' THEN least($2, head) \
                 ELSE coalesce(greatest({newest}), 0) END AS mark \
             FROM conversations c WHERE c.id = $3) \
         UPDATE members SET read_seq = mark, delivered_seq = greatest(delivered_seq, mark) \
         FROM found WHERE conversation_id = $3 AND user_id = $1 AND read_seq < mark"
    )
}

async fn marks(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
) -> Result<Vec<MemberMarks>, StoreError> {
    check_member(db, conversation_id, user_id).await?;
    let rows = sqlx::query(
        "SELECT m.user_id, m.delivered_seq, m.read_seq, m.sent_seq, c.kind \
         FROM members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.conversation_id = $1 ORDER BY m.user_id",
    )
    .bind(conversation_id.uuid())
    .fetch_all(db)
    .await?;
    let members = rows.iter().map(marked_member).collect::<Result<Vec<_>, _>>()?;
    let kind = rows.first().map_or(Ok(ConversationKind::Group), kind)?;
    Ok(shown_marks(user_id, &members, kind))
}

async fn typing_audience(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
) -> Result<Vec<UserId>, StoreError> {
    check_member(db, conversation_id, user_id).await?;
    let rows = sqlx::query(
        "SELECT m.user_id FROM members m \
         WHERE m.conversation_id = $1 AND m.user_id <> $2 AND m.known \
         AND NOT EXISTS (SELECT 1 FROM blocks WHERE user_id = m.user_id AND blocked_id = $2) \
         AND NOT EXISTS (SELECT 1 FROM blocks WHERE user_id = $2 AND blocked_id = m.user_id)",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| id(row, "user_id")).collect()
}
