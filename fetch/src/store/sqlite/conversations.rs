use async_trait::async_trait;
use nudge_proto::{ConversationId, ConversationSeq, DeviceId, UserId, limits::LIST_PAGE_MAX};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    SqliteStore,
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
    rows::{id, int, kind, marked_member},
    rules::shown_marks,
};

#[async_trait]
impl Conversations for SqliteStore {
    async fn create_conversation(
        &self,
        new: NewConversation,
    ) -> Result<Outcome<(ConversationId, bool)>, StoreError> {
        self.writer.write(move |db| Box::pin(async move { creation::create(db, &new).await })).await
    }

    async fn conversation(
        &self,
        user_id: UserId,
        id: ConversationId,
        now: UnixMs,
    ) -> Result<Conversation, StoreError> {
        views::conversation(&mut *self.read().await?, user_id, id, now).await
    }

    async fn conversations(
        &self,
        user_id: UserId,
        after: Option<ConversationId>,
        limit: usize,
        now: UnixMs,
    ) -> Result<ConversationList, StoreError> {
        views::list(&mut *self.read().await?, user_id, after, limit.clamp(1, LIST_PAGE_MAX), now)
            .await
    }

    async fn update_conversation(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        update: ConversationUpdate,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let deed = deed(actor, id, now);
        self.writer.write(move |db| Box::pin(async move { change(db, deed, &update).await })).await
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
        self.writer.write(move |db| Box::pin(members::put(db, deed, user_id, role))).await
    }

    async fn remove_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let deed = deed(actor, id, now);
        self.writer.write(move |db| Box::pin(members::remove(db, deed, user_id))).await
    }

    async fn mark_read(
        &self,
        user_id: UserId,
        id: ConversationId,
        seq: ConversationSeq,
        now: UnixMs,
    ) -> Result<ConversationSeq, StoreError> {
        self.writer.write(move |db| Box::pin(mark_read(db, user_id, id, seq, now))).await
    }

    async fn marks(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<MemberMarks>, StoreError> {
        let db = &mut *self.read().await?;
        check_member(db, conversation_id, user_id).await?;
        let rows = sqlx::query(
            "SELECT m.*, c.kind FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.conversation_id = ? ORDER BY m.user_id",
        )
        .bind(conversation_id.uuid())
        .fetch_all(db)
        .await?;
        let members = rows.iter().map(marked_member).collect::<Result<Vec<_>, _>>()?;
        let kind = rows.first().map_or(Ok(ConversationKind::Group), kind)?;
        Ok(shown_marks(user_id, &members, kind))
    }

    async fn typing_audience(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<UserId>, StoreError> {
        let db = &mut *self.read().await?;
        check_member(db, conversation_id, user_id).await?;
        let rows = sqlx::query(
            "SELECT user_id FROM members m WHERE conversation_id = ?1 AND user_id <> ?2 \
             AND m.known = 1 \
             AND NOT EXISTS (SELECT 1 FROM blocks b WHERE (b.user_id = m.user_id AND b.blocked_id = ?2) \
                 OR (b.user_id = ?2 AND b.blocked_id = m.user_id))",
        )
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .fetch_all(db)
        .await?;
        rows.iter().map(|row| id(row, "user_id")).collect()
    }
}

const fn deed(
    (actor, device): (UserId, DeviceId),
    conversation_id: ConversationId,
    now: UnixMs,
) -> Deed {
    Deed { conversation_id, actor, device: Some(device), now }
}

/// A refusal undoes what was done before it.
async fn change(
    db: &mut SqliteConnection,
    deed: Deed,
    update: &ConversationUpdate,
) -> Result<Outcome<()>, StoreError> {
    if let Some(until) = update.muted_until {
        set_muted(db, deed.actor, deed.conversation_id, until).await?;
    }
    match &update.title {
        Some(title) => members::rename(db, deed, title).await,
        None => Ok(Outcome::quiet(())),
    }
}

async fn set_muted(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    until: UnixMs,
) -> Result<(), StoreError> {
    check_member(db, conversation_id, user_id).await?;
    sqlx::query("UPDATE members SET muted_until = ? WHERE conversation_id = ? AND user_id = ?")
        .bind(int(until.0))
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .execute(db)
        .await?;
    Ok(())
}

/// A mark never rests on what a block refused: it would tell the sender.
async fn mark_read(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    seq: ConversationSeq,
    now: UnixMs,
) -> Result<ConversationSeq, StoreError> {
    let before = read_mark(db, conversation_id, user_id).await?;
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

/// A present member's.
async fn read_mark(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
) -> Result<ConversationSeq, StoreError> {
    let mark: Option<i64> = sqlx::query_scalar(
        "SELECT read_seq FROM members WHERE conversation_id = ? AND user_id = ? AND known = 1",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .fetch_optional(db)
    .await?;
    let mark = mark.ok_or(StoreError::NotFound("conversation"))?;
    Ok(ConversationSeq(mark.cast_unsigned()))
}

/// What was read was delivered, whether or not the device said so yet.
pub(super) fn mark_read_sql() -> String {
    let newest = Kind::ALL.map(|kind| {
        let (table, rows) = (kind.table(), kind.rows());
        format!(
            "coalesce((SELECT m.seq FROM {table} WHERE m.conversation_id = c.id AND m.seq <= ?2 \
                 AND {rows} ORDER BY m.seq DESC LIMIT 1), 0)"
        )
    });
    let newest = newest.join(", ");
    format!(
        "UPDATE members SET read_seq = mark, delivered_seq = max(delivered_seq, mark) \
         FROM (SELECT CASE kind WHEN 'group' THEN min(?2, head) ELSE max({newest}) END AS mark \
             FROM conversations c WHERE c.id = ?3) \
         WHERE conversation_id = ?3 AND user_id = ?1 AND read_seq < mark"
    )
}
