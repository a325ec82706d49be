//! Changes of a conversation: numbered like messages, and told to everybody they concern.

use nudge_proto::{ConversationId, ConversationSeq, DeviceId, MessageId, UserId};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::{
    arguments::ids,
    fan_out::fan_out,
    members::{Joining, join},
    receipts::mark_due,
};
use crate::store::{
    ChangeKind, Moved, Role, StoreError, UnixMs,
    entries::{Content, Entry},
    rows::{id, int, number},
    stored::{encode_change, role_word},
};

/// Who changes what, when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) conversation_id: ConversationId,
    pub(super) actor: UserId,
    /// `None` for what the server does by itself.
    pub(super) device: Option<DeviceId>,
    pub(super) now: UnixMs,
}

/// Carries the changes out, in their order, each under its own number. The conversation is held, or new.
pub(super) async fn apply(
    db: &mut PgConnection,
    deed: Deed,
    changes: &[ChangeKind],
) -> Result<Vec<Moved>, StoreError> {
    hold_members(db, deed.conversation_id, changes).await?;
    let mut moved = Vec::new();
    for change in changes {
        moved.extend(apply_one(db, deed, change).await?);
    }
    if changes.iter().any(|change| matches!(change, ChangeKind::Left(_) | ChangeKind::Removed(_))) {
        // The others may have waited for him alone.
        mark_due(db, &[deed.conversation_id], deed.now).await?;
    }
    Ok(moved)
}

/// Whose rows change or go, before any inbox is locked: that is the order.
async fn hold_members(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    changes: &[ChangeKind],
) -> Result<(), StoreError> {
    let concerned = |change: &ChangeKind| match change {
        ChangeKind::Left(user) | ChangeKind::Removed(user) | ChangeKind::Role(user, _) => {
            Some(*user)
        }
        ChangeKind::Created | ChangeKind::Joined(..) | ChangeKind::Title(_) => None,
    };
    let users: Vec<UserId> = changes.iter().filter_map(concerned).collect();
    if users.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "SELECT 1 FROM members WHERE conversation_id = $1 AND user_id = ANY($2) \
         ORDER BY user_id FOR UPDATE",
    )
    .bind(conversation_id.uuid())
    .bind(ids(&users))
    .fetch_all(db)
    .await?;
    Ok(())
}

/// Who comes is there when it is told, and who goes is still there.
async fn apply_one(
    db: &mut PgConnection,
    deed: Deed,
    change: &ChangeKind,
) -> Result<Vec<Moved>, StoreError> {
    let seq = next_seq(db, deed.conversation_id).await?;
    match change {
        ChangeKind::Created => {}
        ChangeKind::Joined(user, role) => {
            let joining = Joining { user_id: *user, role: *role, known: true };
            join(db, deed.conversation_id, seq, &[joining]).await?;
        }
        ChangeKind::Role(user, role) => set_role(db, deed.conversation_id, *user, *role).await?,
        ChangeKind::Title(title) => set_title(db, deed.conversation_id, title).await?,
        ChangeKind::Left(user) | ChangeKind::Removed(user) => {
            let moved = write(db, deed, seq, change).await?;
            end_membership(db, deed, *user, seq).await?;
            return Ok(moved);
        }
    }
    write(db, deed, seq, change).await
}

async fn next_seq(
    db: &mut PgConnection,
    conversation_id: ConversationId,
) -> Result<ConversationSeq, StoreError> {
    let row = sqlx::query("UPDATE conversations SET head = head + 1 WHERE id = $1 RETURNING head")
        .bind(conversation_id.uuid())
        .fetch_one(db)
        .await?;
    Ok(ConversationSeq(number(&row, "head")?))
}

/// Writes a change, and fans it out to the present members who know of the conversation.
async fn write(
    db: &mut PgConnection,
    deed: Deed,
    seq: ConversationSeq,
    change: &ChangeKind,
) -> Result<Vec<Moved>, StoreError> {
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, sender_id, change, client_id, sent_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(deed.conversation_id.uuid())
    .bind(int(seq.0))
    .bind(MessageId::at_time(deed.now.0).uuid())
    .bind(deed.actor.uuid())
    .bind(encode_change(change))
    .bind(Uuid::nil())
    .bind(int(deed.now.0))
    .execute(&mut *db)
    .await?;
    let members = sqlx::query("SELECT user_id FROM members WHERE conversation_id = $1 AND known")
        .bind(deed.conversation_id.uuid())
        .fetch_all(&mut *db)
        .await?;
    let user = |row: &PgRow| id(row, "user_id");
    let audience: Vec<UserId> = members.iter().map(user).collect::<Result<_, _>>()?;
    let entry = Entry {
        conversation_id: deed.conversation_id,
        content: Content::Change(seq),
        audience: &audience,
        actor: deed.device.map(|device| (deed.actor, device)),
        now: deed.now,
    };
    Ok(fan_out(db, &[entry]).await?.into_iter().flatten().collect())
}

/// The change itself is the last number that he may see.
async fn end_membership(
    db: &mut PgConnection,
    deed: Deed,
    user_id: UserId,
    last: ConversationSeq,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM members WHERE conversation_id = $1 AND user_id = $2")
        .bind(deed.conversation_id.uuid())
        .bind(user_id.uuid())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE memberships SET left_seq = $3, \
             left_title = (SELECT title FROM conversations WHERE id = $1) \
         WHERE conversation_id = $1 AND user_id = $2 AND left_seq IS NULL",
    )
    .bind(deed.conversation_id.uuid())
    .bind(user_id.uuid())
    .bind(int(last.next().0))
    .execute(db)
    .await?;
    Ok(())
}

async fn set_role(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    user_id: UserId,
    role: Role,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE members SET role = $3 WHERE conversation_id = $1 AND user_id = $2")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .bind(role_word(role))
        .execute(db)
        .await?;
    Ok(())
}

async fn set_title(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    title: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE conversations SET title = $2 WHERE id = $1")
        .bind(conversation_id.uuid())
        .bind(title)
        .execute(db)
        .await?;
    Ok(())
}
