//! Who is in a conversation: the present members, and the intervals of all who ever were.

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::{
    changes::{self, Deed},
    locks::{Locked, lock_conversation},
    users::{blocks, hold_alive},
};
use crate::store::{
    ChangeKind, Moved, Outcome, Role, StoreError,
    rows::{id, int, number, role},
    rules::{Room, Seat},
    stored::{receipt_at_joining, role_word},
};

/// Refuses who is no present member.
pub(super) async fn check_member(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    user_id: UserId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM members WHERE conversation_id = $1 AND user_id = $2 AND known")
        .bind(conversation_id.uuid())
        .bind(user_id.uuid())
        .fetch_optional(db)
        .await?
        .map(|_| ())
        .ok_or(StoreError::NotFound("conversation"))
}

/// Who joins, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joining {
    pub(super) user_id: UserId,
    pub(super) role: Role,
    /// Whether he is to know already.
    pub(super) known: bool,
}

/// Begins memberships at `seq`.
pub(super) async fn join(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    seq: ConversationSeq,
    joining: &[Joining],
) -> Result<(), StoreError> {
    let users: Vec<Uuid> = joining.iter().map(|joining| joining.user_id.uuid()).collect();
    let roles: Vec<&str> = joining.iter().map(|joining| role_word(joining.role)).collect();
    let known: Vec<bool> = joining.iter().map(|joining| joining.known).collect();
    // What was there before is neither unread nor undelivered.
    let before = ConversationSeq(seq.0.saturating_sub(1));
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, known, joined_seq, read_seq, \
             delivered_seq, receipt) \
         SELECT $1, joining.user_id, joining.role, joining.known, $5, $6, $6, $7 \
         FROM unnest($2::uuid[], $3::text[], $4::boolean[]) AS joining(user_id, role, known)",
    )
    .bind(conversation_id.uuid())
    .bind(&users)
    .bind(roles)
    .bind(known)
    .bind(int(seq.0))
    .bind(int(before.0))
    .bind(receipt_at_joining(before))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO memberships (conversation_id, user_id, joined_seq) \
         SELECT $1, user_id, $3 FROM unnest($2::uuid[]) AS joining(user_id)",
    )
    .bind(conversation_id.uuid())
    .bind(&users)
    .bind(int(seq.0))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn put(
    db: &mut PgConnection,
    deed: Deed,
    user: UserId,
    role: Role,
) -> Result<Outcome<()>, StoreError> {
    let room = lock_room(db, deed.conversation_id).await?.1;
    let may_join = hold_alive(db, &[user]).await? == 1 && !blocks(db, user, deed.actor).await?;
    let changes = room.put(deed.actor, user, role, may_join)?;
    Ok(Outcome { value: (), moved: changes::apply(db, deed, &changes).await? })
}

pub(super) async fn remove(
    db: &mut PgConnection,
    deed: Deed,
    user: UserId,
) -> Result<Outcome<()>, StoreError> {
    let room = lock_room(db, deed.conversation_id).await?.1;
    let changes = match room.remove(deed.actor, user) {
        // He asked before, and the answer was lost.
        Err(StoreError::NotFound(_))
            if user == deed.actor && was_member(db, user, deed.conversation_id).await? =>
        {
            Vec::new()
        }
        changes => changes?,
    };
    Ok(Outcome { value: (), moved: changes::apply(db, deed, &changes).await? })
}

pub(super) async fn rename(
    db: &mut PgConnection,
    deed: Deed,
    title: &str,
) -> Result<Outcome<()>, StoreError> {
    let (conversation, room) = lock_room(db, deed.conversation_id).await?;
    let change = room.rename(deed.actor, title)?;
    if conversation.title == title {
        return Ok(Outcome::quiet(()));
    }
    Ok(Outcome { value: (), moved: changes::apply(db, deed, &[change]).await? })
}

/// A deleted user leaves, a direct conversation too.
pub(super) async fn leave(
    db: &mut PgConnection,
    conversation: &Locked,
    deed: Deed,
) -> Result<Vec<Moved>, StoreError> {
    let room = room(db, conversation).await?;
    let changes = room.depart(deed.actor, ChangeKind::Left(deed.actor));
    changes::apply(db, deed, &changes).await
}

/// Whether the user is or ever was a member, and knows of it.
pub(super) async fn was_member(
    db: &mut PgConnection,
    user_id: UserId,
    conversation_id: ConversationId,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM memberships i WHERE i.conversation_id = $1 AND i.user_id = $2 \
         AND NOT EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = $1 AND m.user_id = $2 \
             AND NOT m.known) LIMIT 1",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Nobody comes, goes or sends until this transaction ends.
async fn lock_room(
    db: &mut PgConnection,
    conversation_id: ConversationId,
) -> Result<(Locked, Room), StoreError> {
    let conversation = lock_conversation(db, conversation_id).await?;
    let room = room(db, &conversation).await?;
    Ok((conversation, room))
}

async fn room(db: &mut PgConnection, conversation: &Locked) -> Result<Room, StoreError> {
    let rows = sqlx::query(
        "SELECT user_id, role, joined_seq FROM members WHERE conversation_id = $1 AND known",
    )
    .bind(conversation.id.uuid())
    .fetch_all(db)
    .await?;
    let seat = |row: &PgRow| {
        Ok(Seat {
            user_id: id(row, "user_id")?,
            role: role(row)?,
            joined: ConversationSeq(number(row, "joined_seq")?),
        })
    };
    let seats = rows.iter().map(seat).collect::<Result<_, StoreError>>()?;
    Ok(Room { kind: conversation.kind, seats })
}
