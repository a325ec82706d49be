//! Conversations as one user sees them.

use std::collections::HashMap;

use futures::TryStreamExt;
use nudge_proto::{ConversationId, Cursor, UserId, limits::UNREAD_COUNT_MAX};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    arguments::ids,
    inboxes::{epoch, inbox_head},
    messages::read_items,
    visible::{Kind, newest_message},
};
use crate::{
    limits::UNREAD_WALK_MAX,
    store::{
        Conversation, ConversationKind, ConversationList, HistoryItem, Member, Message, StoreError,
        UnixMs,
        rows::{self, MESSAGE_COLUMNS, id, int, members_by_conversation, optional_number, weight},
        rules::PageRoom,
    },
};

/// One conversation, of a present or a former member.
pub(super) async fn conversation(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Conversation, StoreError> {
    let page = "me.conversation_id = $3 LIMIT $4";
    let mut rows = present_rows(db, page, user_id, conversation_id.uuid(), 1, now).await?;
    if rows.is_empty() {
        rows = former_rows(db, user_id, conversation_id, now).await?;
    }
    let view = views(db, &rows).await?.pop();
    let mut view = view.ok_or(StoreError::NotFound("conversation"))?;
    if view.is_member {
        let mut members = present_members(db, &[conversation_id]).await?;
        view.members = members.remove(&conversation_id).unwrap_or_default();
    }
    Ok(view)
}

/// One page of the conversations that the user is in and knows of.
pub(super) async fn list(
    db: &mut PgConnection,
    user_id: UserId,
    after: Option<ConversationId>,
    limit: usize,
    now: UnixMs,
) -> Result<ConversationList, StoreError> {
    let cursor = Cursor { epoch: epoch(db).await?, seq: inbox_head(db, user_id.uuid()).await? };
    let page = "me.conversation_id > $3 ORDER BY me.conversation_id LIMIT $4";
    let after = after.map_or_else(Uuid::nil, ConversationId::uuid);
    let mut rows = present_rows(db, page, user_id, after, limit + 1, now).await?;
    let mut more = rows.len() > limit;
    rows.truncate(limit);
    let mut conversations = views(db, &rows).await?;
    more |= conversations.len() < rows.len();
    let direct = conversations.iter().filter(|view| view.kind == ConversationKind::Direct);
    let mut members = present_members(db, &direct.map(|view| view.id).collect::<Vec<_>>()).await?;
    for view in &mut conversations {
        view.members = members.remove(&view.id).unwrap_or_default();
    }
    Ok(ConversationList { conversations, more, cursor })
}

/// Present memberships; `page` says which, by $3 and $4.
async fn present_rows(
    db: &mut PgConnection,
    page: &str,
    user_id: UserId,
    conversation: Uuid,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<PgRow>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(present_sql(page)))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(conversation)
        .bind(limit as i64)
        .fetch_all(db)
        .await?;
    Ok(rows)
}

pub(super) fn present_sql(page: &str) -> String {
    let last_seq = newest_message("c.id");
    let (said, living) = (Kind::Said.seq(), Kind::Said.living());
    // Whoever joins anew has read all that was before.
    format!(
        "SELECT c.id, c.kind, c.title, c.created_at, c.head, me.read_seq, me.delivered_seq, \
             me.muted_until, true AS is_member, {last_seq} AS last_seq, \
             (SELECT count(*) FROM members n WHERE n.conversation_id = c.id) AS member_count, \
             (SELECT count(*) FROM (SELECT 1 FROM (SELECT m.sender_id FROM messages m \
                      WHERE m.conversation_id = c.id AND {said} > me.read_seq AND {living} \
                      ORDER BY {said} LIMIT {UNREAD_WALK_MAX}) AS above WHERE sender_id <> $1 \
                  LIMIT {UNREAD_COUNT_MAX}) AS others) AS unread \
         FROM members me JOIN conversations c ON c.id = me.conversation_id \
         WHERE me.user_id = $1 AND me.known AND {page}"
    )
}

/// What was there when a former member left; nothing of what came later.
async fn former_rows(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Vec<PgRow>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(former_sql()))
        .bind(user_id.uuid())
        .bind(int(now.0))
        .bind(conversation_id.uuid())
        .fetch_all(db)
        .await?;
    Ok(rows)
}

pub(super) fn former_sql() -> String {
    let last_seq = newest_message("c.id");
    format!(
        "SELECT c.id, c.kind, coalesce(me.left_title, '') AS title, c.created_at, \
             me.left_seq - 1 AS head, 0::bigint AS read_seq, 0::bigint AS delivered_seq, \
             0::bigint AS muted_until, false AS is_member, {last_seq} AS last_seq, \
             0::bigint AS member_count, 0::bigint AS unread \
         FROM memberships me JOIN conversations c ON c.id = me.conversation_id \
         WHERE me.conversation_id = $3 AND me.user_id = $1 AND me.left_seq IS NOT NULL \
         ORDER BY me.joined_seq DESC LIMIT 1"
    )
}

/// As many of the rows, from the first, as one page has bytes for.
async fn views(db: &mut PgConnection, rows: &[PgRow]) -> Result<Vec<Conversation>, StoreError> {
    let (mut last, full_at) = last_messages(db, rows).await?;
    let view = |row| {
        let last_message = last.remove(&id(row, "id")?);
        rows::conversation(row, last_message)
    };
    rows[..full_at].iter().map(view).collect()
}

/// The messages that the rows' `last_seq` names, and at which row the page had no bytes left.
async fn last_messages(
    db: &mut PgConnection,
    rows: &[PgRow],
) -> Result<(HashMap<ConversationId, Message>, usize), StoreError> {
    let (mut conversations, mut seqs, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (place, row) in rows.iter().enumerate() {
        if let Some(seq) = optional_number(row, "last_seq")? {
            conversations.push(row.try_get::<Uuid, _>("id")?);
            seqs.push(int(seq));
            places.push(place);
        }
    }
    let mut full_at = rows.len();
    if seqs.is_empty() {
        return Ok((HashMap::new(), full_at));
    }
    let mut found = sqlx::query(AssertSqlSafe(last_messages_sql()))
        .bind(conversations)
        .bind(seqs)
        .fetch(&mut *db);
    let mut room = PageRoom::new(places.len());
    let mut rows = Vec::with_capacity(places.len());
    while let Some(row) = found.try_next().await? {
        if !room.take(weight(&row)?) {
            full_at = places[rows.len()];
            break;
        }
        rows.push(row);
    }
    drop(found);
    let message = |item| match item {
        HistoryItem::Message(message) => Some((message.conversation_id, message)),
        HistoryItem::Change(_) => None,
    };
    let messages = read_items(db, &rows).await?.into_iter().filter_map(message).collect();
    Ok((messages, full_at))
}

/// The messages of conversations $1 with numbers $2, in that order.
pub(super) fn last_messages_sql() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY \
             AS wanted(conversation_id, seq, place) \
         JOIN messages m ON m.conversation_id = wanted.conversation_id AND m.seq = wanted.seq \
         ORDER BY wanted.place"
    )
}

async fn present_members(
    db: &mut PgConnection,
    conversations: &[ConversationId],
) -> Result<HashMap<ConversationId, Vec<Member>>, StoreError> {
    let rows = sqlx::query(MEMBERS_SQL).bind(ids(conversations)).fetch_all(db).await?;
    members_by_conversation(&rows)
}

/// The present members of conversations $1.
pub(super) const MEMBERS_SQL: &str = "SELECT m.conversation_id, m.role, u.id, u.handle, u.display_name, u.deleted_at \
     FROM members m JOIN users u ON u.id = m.user_id WHERE m.conversation_id = ANY($1) \
     ORDER BY m.joined_seq, m.user_id";
