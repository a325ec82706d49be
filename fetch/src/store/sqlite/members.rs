//! Who is in a conversation: the present members, and the intervals of all who ever were.

use nudge_proto::{ConversationId, ConversationSeq, DeviceId, UserId, limits::GROUP_MEMBERS_MAX};
use sqlx::SqliteConnection;

use super::{
    accounts::{blocks, is_live},
    fan_out::write_change,
    rows::{id, int, role, role_word},
};
use crate::store::{ChangeKind, Moved, Outcome, Role, StoreError, UnixMs};

/// The role of a present member; everybody else learns nothing.
pub(super) async fn role_of(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
) -> Result<Role, StoreError> {
    let row = sqlx::query("SELECT role FROM members WHERE conversation_id = ? AND user_id = ?")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .fetch_optional(db)
        .await?;
    role(&row.ok_or(StoreError::NotFound("conversation"))?)
}

/// Refuses who is no admin of a group; `what` completes "only an admin of the group may".
pub(super) async fn check_admin(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
    what: &'static str,
) -> Result<(), StoreError> {
    match role_of(db, conversation_id, user_id).await? {
        Role::Admin => Ok(()),
        Role::Member => Err(StoreError::Forbidden { what }),
    }
}

/// Begins a membership at `seq`.
pub(super) async fn join(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
    role: Role,
    seq: ConversationSeq,
) -> Result<(), StoreError> {
    // What was there before is neither unread nor undelivered.
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, joined_seq, read_seq, delivered_seq) \
         VALUES (?1, ?2, ?3, ?4, ?4 - 1, ?4 - 1)",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .bind(role_word(role))
    .bind(int(seq.0))
    .execute(&mut *db)
    .await?;
    sqlx::query("INSERT INTO memberships (conversation_id, user_id, joined_seq) VALUES (?, ?, ?)")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .bind(int(seq.0))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    actor: (UserId, DeviceId),
    conversation_id: ConversationId,
    user_id: UserId,
    role: Role,
    now: UnixMs,
) -> Result<Outcome<()>, StoreError> {
    check_admin(db, conversation_id, actor.0, "change its members").await?;
    let actor = (actor.0, Some(actor.1));
    let change = match role_of(db, conversation_id, user_id).await {
        Ok(present) if present == role => return Ok(Outcome::quiet(())),
        Ok(_) => {
            set_role(db, conversation_id, user_id, role).await?;
            ChangeKind::Role(user_id, role)
        }
        Err(StoreError::NotFound(_)) => {
            add(db, conversation_id, actor.0, user_id, role).await?;
            ChangeKind::Joined(user_id, role)
        }
        Err(error) => return Err(error),
    };
    let (_, mut moved) = write_change(db, conversation_id, actor, &change, now).await?;
    if matches!(change, ChangeKind::Role(..)) {
        moved.extend(keep_an_admin(db, conversation_id, now).await?);
    }
    Ok(Outcome { value: (), moved })
}

pub(super) async fn remove(
    db: &mut SqliteConnection,
    actor: (UserId, DeviceId),
    conversation_id: ConversationId,
    user_id: UserId,
    now: UnixMs,
) -> Result<Outcome<()>, StoreError> {
    role_of(db, conversation_id, actor.0).await?;
    if is_direct(db, conversation_id).await? {
        return Err(StoreError::Invalid(
            "nobody leaves a direct conversation: block the other user instead".to_owned(),
        ));
    }
    if user_id != actor.0 {
        check_admin(db, conversation_id, actor.0, "change its members").await?;
        match role_of(db, conversation_id, user_id).await {
            Ok(_) => {}
            Err(StoreError::NotFound(_)) => return Ok(Outcome::quiet(())),
            Err(error) => return Err(error),
        }
    }
    let change =
        if user_id == actor.0 { ChangeKind::Left(user_id) } else { ChangeKind::Removed(user_id) };
    let actor = (actor.0, Some(actor.1));
    let moved = end_membership(db, conversation_id, actor, user_id, &change, now).await?;
    Ok(Outcome { value: (), moved })
}

/// A deleted user leaves, from a direct conversation too.
pub(super) async fn leave(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
    now: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let change = ChangeKind::Left(user_id);
    end_membership(db, conversation_id, (user_id, None), user_id, &change, now).await
}

/// The one who goes gets the change as the last entry, then sees nothing from its number on.
async fn end_membership(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    actor: (UserId, Option<DeviceId>),
    user_id: UserId,
    change: &ChangeKind,
    now: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let (seq, mut moved) = write_change(db, conversation_id, actor, change, now).await?;
    sqlx::query("DELETE FROM members WHERE conversation_id = ? AND user_id = ?")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE memberships SET left_seq = ? \
         WHERE conversation_id = ? AND user_id = ? AND left_seq IS NULL",
    )
    .bind(int(seq.next().0))
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .execute(&mut *db)
    .await?;
    moved.extend(keep_an_admin(db, conversation_id, now).await?);
    Ok(moved)
}

/// When a group has members and no admin, who joined first becomes one.
async fn keep_an_admin(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    now: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let oldest = sqlx::query(
        "SELECT user_id FROM members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.conversation_id = ?1 AND c.kind = 'group' AND NOT EXISTS \
             (SELECT 1 FROM members a WHERE a.conversation_id = ?1 AND a.role = 'admin') \
         ORDER BY m.joined_seq, m.user_id LIMIT 1",
    )
    .bind(conversation_id.uuid())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = oldest else {
        return Ok(Vec::new());
    };
    let user_id: UserId = id(&row, "user_id")?;
    set_role(db, conversation_id, user_id, Role::Admin).await?;
    let change = ChangeKind::Role(user_id, Role::Admin);
    let (_, moved) = write_change(db, conversation_id, (user_id, None), &change, now).await?;
    Ok(moved)
}

async fn add(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    actor: UserId,
    user_id: UserId,
    role: Role,
) -> Result<(), StoreError> {
    if is_direct(db, conversation_id).await? {
        return Err(StoreError::Invalid(
            "nobody joins a direct conversation: make a group".to_owned(),
        ));
    }
    if !is_live(db, user_id).await? || blocks(db, user_id, actor).await? {
        return Err(StoreError::NotFound("user"));
    }
    let (count, head): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM members WHERE conversation_id = ?1), head \
         FROM conversations WHERE id = ?1",
    )
    .bind(conversation_id.uuid())
    .fetch_one(&mut *db)
    .await?;
    if count.cast_unsigned() as usize >= GROUP_MEMBERS_MAX {
        return Err(StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX });
    }
    // The change that tells of the joining is the first number the new member sees.
    let first = ConversationSeq(head.cast_unsigned()).next();
    join(db, conversation_id, user_id, role, first).await
}

async fn set_role(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
    role: Role,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE members SET role = ? WHERE conversation_id = ? AND user_id = ?")
        .bind(role_word(role))
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .execute(db)
        .await?;
    Ok(())
}

async fn is_direct(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
) -> Result<bool, StoreError> {
    let kind: String = sqlx::query_scalar("SELECT kind FROM conversations WHERE id = ?")
        .bind(conversation_id.uuid())
        .fetch_one(db)
        .await?;
    Ok(kind == "direct")
}
