use async_trait::async_trait;
use nudge_proto::{
    ConversationId, ConversationSeq, Cursor, DeviceId, UserId,
    limits::{GROUP_MEMBERS_MAX, LIST_PAGE_MAX, UNREAD_COUNT_MAX},
};
use sqlx::{AssertSqlSafe, Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteStore,
    accounts::{blocks, is_live, user},
    fan_out::write_change,
    history::{VISIBLE, check_was_member},
    members::{self, join},
    receipts::mark_due,
    rows::{
        MESSAGE_COLUMNS, epoch, history_item, id, inbox_head, int, load_media, number,
        optional_number, role, time,
    },
};
use crate::store::{
    ChangeKind, Conversation, ConversationKind, ConversationList, Conversations, HistoryItem,
    Member, MemberMarks, Message, NewConversation, Outcome, Role, StoreError, UnixMs,
};

#[async_trait]
impl Conversations for SqliteStore {
    async fn create_conversation(
        &self,
        new: NewConversation,
    ) -> Result<Outcome<(ConversationId, bool)>, StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    match new.kind {
                        ConversationKind::Direct => create_direct(db, &new).await,
                        ConversationKind::Group => create_group(db, &new).await,
                    }
                })
            })
            .await
    }

    async fn conversation(
        &self,
        user_id: UserId,
        id: ConversationId,
        now: UnixMs,
    ) -> Result<Conversation, StoreError> {
        let db = &mut *self.read().await?;
        check_was_member(db, user_id, id).await?;
        let mut conversation = view(db, user_id, id, now).await?;
        conversation.members = present_members(db, id).await?;
        Ok(conversation)
    }

    async fn conversations(
        &self,
        user_id: UserId,
        after: Option<ConversationId>,
        limit: usize,
        now: UnixMs,
    ) -> Result<ConversationList, StoreError> {
        list(&mut *self.read().await?, user_id, after, limit.clamp(1, LIST_PAGE_MAX), now).await
    }

    async fn set_title(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        title: &str,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let title = title.to_owned();
        self.writer.write(move |db| Box::pin(set_title(db, actor, id, title, now))).await
    }

    async fn set_muted(
        &self,
        user_id: UserId,
        id: ConversationId,
        until: UnixMs,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |db| {
                Box::pin(async move {
                    let muted = sqlx::query(
                        "UPDATE members SET muted_until = ? \
                         WHERE conversation_id = ? AND user_id = ?",
                    )
                    .bind(int(until.0))
                    .bind(id.uuid())
                    .bind(user_id.uuid())
                    .execute(db)
                    .await?;
                    match muted.rows_affected() {
                        0 => Err(StoreError::NotFound("conversation")),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    async fn put_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        role: Role,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        self.writer.write(move |db| Box::pin(members::put(db, actor, id, user_id, role, now))).await
    }

    async fn remove_member(
        &self,
        actor: (UserId, DeviceId),
        id: ConversationId,
        user_id: UserId,
        now: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        self.writer.write(move |db| Box::pin(members::remove(db, actor, id, user_id, now))).await
    }

    async fn mark_read(
        &self,
        user_id: UserId,
        id: ConversationId,
        seq: ConversationSeq,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        self.writer.write(move |db| Box::pin(mark_read(db, user_id, id, seq, now))).await
    }

    async fn marks(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<MemberMarks>, StoreError> {
        let db = &mut *self.read().await?;
        members::role_of(db, conversation_id, user_id).await?;
        let rows = sqlx::query(
            "SELECT user_id, delivered_seq, read_seq FROM members \
             WHERE conversation_id = ? ORDER BY user_id",
        )
        .bind(conversation_id.uuid())
        .fetch_all(db)
        .await?;
        let marks = |row: &SqliteRow| {
            Ok(MemberMarks {
                user_id: id(row, "user_id")?,
                delivered: ConversationSeq(number(row, "delivered_seq")?),
                read: ConversationSeq(number(row, "read_seq")?),
            })
        };
        rows.iter().map(marks).collect()
    }

    async fn typing_audience(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> Result<Vec<UserId>, StoreError> {
        let db = &mut *self.read().await?;
        members::role_of(db, conversation_id, user_id).await?;
        let rows = sqlx::query(
            "SELECT user_id FROM members m WHERE conversation_id = ?1 AND user_id <> ?2 \
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

/// The other side learns of a direct conversation by its first message: an empty one tells nothing.
async fn create_direct(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Outcome<(ConversationId, bool)>, StoreError> {
    let (creator, _) = new.creator;
    let &[other] = new.members.as_slice() else {
        return Err(StoreError::Invalid(
            "a direct conversation has exactly one other member".to_owned(),
        ));
    };
    if other == creator {
        return Err(StoreError::Invalid(
            "a direct conversation needs another user than yourself".to_owned(),
        ));
    }
    if !is_live(db, other).await? {
        return Err(StoreError::NotFound("user"));
    }
    let (low, high) = (creator.min(other), creator.max(other));
    let existing =
        sqlx::query("SELECT id FROM conversations WHERE direct_low = ? AND direct_high = ?")
            .bind(low.uuid())
            .bind(high.uuid())
            .fetch_optional(&mut *db)
            .await?;
    if let Some(row) = existing {
        return Ok(Outcome::quiet((id(&row, "id")?, false)));
    }
    insert(db, new, None, Some((low.uuid(), high.uuid()))).await?;
    for user_id in [creator, other] {
        join(db, new.id, user_id, Role::Member, ConversationSeq(1)).await?;
    }
    Ok(Outcome::quiet((new.id, true)))
}

async fn create_group(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Outcome<(ConversationId, bool)>, StoreError> {
    let (creator, device) = new.creator;
    let request_id = new.request_id.map(nudge_proto::RequestId::uuid);
    let existing =
        sqlx::query("SELECT id, title FROM conversations WHERE creator_id = ? AND request_id = ?")
            .bind(creator.uuid())
            .bind(request_id)
            .fetch_optional(&mut *db)
            .await?;
    if let Some(row) = existing {
        return Ok(Outcome::quiet((id(&row, "id")?, false)));
    }
    let mut members: Vec<_> = new.members.iter().filter(|member| **member != creator).collect();
    members.sort_unstable();
    members.dedup();
    if members.len() + 1 > GROUP_MEMBERS_MAX {
        return Err(StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX });
    }
    for member in &members {
        if !is_live(db, **member).await? || blocks(db, **member, creator).await? {
            return Err(StoreError::NotFound("user"));
        }
    }
    insert(db, new, request_id, None).await?;
    join(db, new.id, creator, Role::Admin, ConversationSeq(1)).await?;
    for member in members {
        join(db, new.id, *member, Role::Member, ConversationSeq(1)).await?;
    }
    let actor = (creator, Some(device));
    let (_, moved) = write_change(db, new.id, actor, &ChangeKind::Created, new.now).await?;
    Ok(Outcome { value: (new.id, true), moved })
}

async fn insert(
    db: &mut SqliteConnection,
    new: &NewConversation,
    request_id: Option<Uuid>,
    direct: Option<(Uuid, Uuid)>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversations (id, kind, title, head, creator_id, request_id, direct_low, \
         direct_high, created_at) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.uuid())
    .bind(if direct.is_some() { "direct" } else { "group" })
    .bind(&new.title)
    .bind(new.creator.0.uuid())
    .bind(request_id)
    .bind(direct.map(|direct| direct.0))
    .bind(direct.map(|direct| direct.1))
    .bind(int(new.now.0))
    .execute(db)
    .await?;
    Ok(())
}

async fn set_title(
    db: &mut SqliteConnection,
    actor: (UserId, DeviceId),
    conversation_id: ConversationId,
    title: String,
    now: UnixMs,
) -> Result<Outcome<()>, StoreError> {
    members::check_admin(db, conversation_id, actor.0, "change its title").await?;
    let changed = sqlx::query("UPDATE conversations SET title = ?1 WHERE id = ?2 AND title <> ?1")
        .bind(&title)
        .bind(conversation_id.uuid())
        .execute(&mut *db)
        .await?;
    if changed.rows_affected() == 0 {
        return Ok(Outcome::quiet(()));
    }
    let actor = (actor.0, Some(actor.1));
    let (_, moved) =
        write_change(db, conversation_id, actor, &ChangeKind::Title(title), now).await?;
    Ok(Outcome { value: (), moved })
}

async fn mark_read(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    seq: ConversationSeq,
    now: UnixMs,
) -> Result<(), StoreError> {
    members::role_of(db, conversation_id, user_id).await?;
    // What was read was delivered, whether or not the device said so yet.
    let moved = sqlx::query(
        "UPDATE members SET read_seq = mark, delivered_seq = max(delivered_seq, mark) \
         FROM (SELECT min(?1, head) AS mark FROM conversations WHERE id = ?2) \
         WHERE conversation_id = ?2 AND user_id = ?3 AND read_seq < mark",
    )
    .bind(int(seq.0.min(i64::MAX as u64)))
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() > 0 {
        mark_due(db, conversation_id, now).await?;
    }
    Ok(())
}

async fn list(
    db: &mut SqliteConnection,
    user_id: UserId,
    after: Option<ConversationId>,
    limit: usize,
    now: UnixMs,
) -> Result<ConversationList, StoreError> {
    let cursor = Cursor { epoch: epoch(db).await?, seq: inbox_head(db, user_id.uuid()).await? };
    let rows = sqlx::query(
        "SELECT conversation_id FROM members WHERE user_id = ? AND conversation_id > ? \
         ORDER BY conversation_id LIMIT ?",
    )
    .bind(user_id.uuid())
    .bind(after.map_or_else(Uuid::nil, ConversationId::uuid))
    .bind(limit as i64 + 1)
    .fetch_all(&mut *db)
    .await?;
    let mut conversations = Vec::with_capacity(rows.len().min(limit));
    for row in rows.iter().take(limit) {
        let conversation_id = id(row, "conversation_id")?;
        let mut conversation = view(db, user_id, conversation_id, now).await?;
        if conversation.kind == ConversationKind::Direct {
            conversation.members = present_members(db, conversation_id).await?;
        }
        conversations.push(conversation);
    }
    Ok(ConversationList { conversations, more: rows.len() > limit, cursor })
}

/// A conversation as a present or former member sees it, without its members.
async fn view(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Conversation, StoreError> {
    let row = sqlx::query(
        "SELECT c.*, m.read_seq, m.delivered_seq, m.muted_until, m.user_id IS NOT NULL AS is_member, \
         (SELECT count(*) FROM members n WHERE n.conversation_id = c.id) AS member_count \
         FROM conversations c LEFT JOIN members m \
         ON m.conversation_id = c.id AND m.user_id = ? WHERE c.id = ?",
    )
    .bind(user_id.uuid())
    .bind(conversation_id.uuid())
    .fetch_one(&mut *db)
    .await?;
    let own_read = ConversationSeq(optional_number(&row, "read_seq")?.unwrap_or(0));
    let is_member: bool = row.try_get("is_member")?;
    let unread =
        if is_member { unread(db, user_id, conversation_id, own_read, now).await? } else { 0 };
    Ok(Conversation {
        id: conversation_id,
        kind: match row.try_get::<String, _>("kind")?.as_str() {
            "direct" => ConversationKind::Direct,
            _ => ConversationKind::Group,
        },
        title: row.try_get("title")?,
        created_at: time(&row, "created_at")?,
        head: ConversationSeq(number(&row, "head")?),
        members: Vec::new(),
        member_count: number(&row, "member_count")? as usize,
        last_message: last_message(db, user_id, conversation_id, now).await?,
        unread_count: unread,
        own_read,
        own_delivered: ConversationSeq(optional_number(&row, "delivered_seq")?.unwrap_or(0)),
        muted_until: UnixMs(optional_number(&row, "muted_until")?.unwrap_or(0)),
        is_member,
    })
}

async fn last_message(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Option<Message>, StoreError> {
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ?3 \
         AND m.change IS NULL AND {VISIBLE} ORDER BY m.seq DESC LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(conversation_id.uuid())
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let HistoryItem::Message(mut message) = history_item(&row)? else {
        return Ok(None);
    };
    load_media(db, &mut message).await?;
    Ok(Some(message))
}

async fn unread(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    read: ConversationSeq,
    now: UnixMs,
) -> Result<u32, StoreError> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.conversation_id = ?3 AND m.seq > ?4 \
         AND m.sender_id <> ?1 AND m.change IS NULL AND {VISIBLE} LIMIT {UNREAD_COUNT_MAX})"
    );
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(conversation_id.uuid())
        .bind(int(read.0))
        .fetch_one(db)
        .await?;
    Ok(count.unsigned_abs() as u32)
}

async fn present_members(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query(
        "SELECT u.*, m.role FROM members m JOIN users u ON u.id = m.user_id \
         WHERE m.conversation_id = ? ORDER BY m.joined_seq, m.user_id",
    )
    .bind(conversation_id.uuid())
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(Member { user: user(row)?, role: role(row)? })).collect()
}
