//! Who is in a conversation: the present members, and the intervals of all who ever were.

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    accounts::{blocks, is_live},
    arguments::json,
    changes::{self, Deed},
};
use crate::store::{
    ChangeKind, Moved, Outcome, Role, StoreError,
    rows::{id, int, kind, number, role},
    rules::{Room, Seat},
    stored::{receipt_at_joining, role_word},
};

/// Refuses who is no present member.
pub(super) async fn check_member(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    user_id: UserId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM members WHERE conversation_id = ? AND user_id = ? AND known = 1")
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
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
    seq: ConversationSeq,
    joining: &[Joining],
) -> Result<(), StoreError> {
    let row = |joining: &Joining| (joining.user_id, role_word(joining.role), joining.known);
    let rows = json(&joining.iter().map(row).collect::<Vec<_>>())?;
    // What was there before is neither unread nor undelivered.
    let before = ConversationSeq(seq.0.saturating_sub(1));
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, known, joined_seq, read_seq, \
             delivered_seq, receipt) \
         SELECT ?2, unhex(value->>0, '-'), value->>1, value->>2, ?3, ?4, ?4, ?5 FROM json_each(?1)",
    )
    .bind(&rows)
    .bind(conversation_id.uuid())
    .bind(int(seq.0))
    .bind(int(before.0))
    .bind(receipt_at_joining(before))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO memberships (conversation_id, user_id, joined_seq) \
         SELECT ?2, unhex(value->>0, '-'), ?3 FROM json_each(?1)",
    )
    .bind(&rows)
    .bind(conversation_id.uuid())
    .bind(int(seq.0))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    deed: Deed,
    user: UserId,
    role: Role,
) -> Result<Outcome<()>, StoreError> {
    let room = room(db, deed.conversation_id).await?;
    let may_join = is_live(db, user).await? && !blocks(db, user, deed.actor).await?;
    let changes = room.put(deed.actor, user, role, may_join)?;
    Ok(Outcome { value: (), moved: changes::apply(db, deed, &changes).await? })
}

pub(super) async fn remove(
    db: &mut SqliteConnection,
    deed: Deed,
    user: UserId,
) -> Result<Outcome<()>, StoreError> {
    let room = room(db, deed.conversation_id).await?;
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
    db: &mut SqliteConnection,
    deed: Deed,
    title: &str,
) -> Result<Outcome<()>, StoreError> {
    let change = room(db, deed.conversation_id).await?.rename(deed.actor, title)?;
    let present: String = sqlx::query_scalar("SELECT title FROM conversations WHERE id = ?")
        .bind(deed.conversation_id.uuid())
        .fetch_one(&mut *db)
        .await?;
    if present == title {
        return Ok(Outcome::quiet(()));
    }
    Ok(Outcome { value: (), moved: changes::apply(db, deed, &[change]).await? })
}

/// A deleted user leaves, a direct conversation too.
pub(super) async fn leave(db: &mut SqliteConnection, deed: Deed) -> Result<Vec<Moved>, StoreError> {
    let room = room(db, deed.conversation_id).await?;
    let changes = room.depart(deed.actor, ChangeKind::Left(deed.actor));
    changes::apply(db, deed, &changes).await
}

/// Whether the user is or ever was a member, and knows of it.
pub(super) async fn was_member(
    db: &mut SqliteConnection,
    user_id: UserId,
    conversation_id: ConversationId,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM memberships i WHERE i.conversation_id = ?1 AND i.user_id = ?2 \
         AND NOT EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = ?1 AND m.user_id = ?2 \
             AND m.known = 0) LIMIT 1",
    )
    .bind(conversation_id.uuid())
    .bind(user_id.uuid())
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

async fn room(
    db: &mut SqliteConnection,
    conversation_id: ConversationId,
) -> Result<Room, StoreError> {
    let conversation = sqlx::query("SELECT kind FROM conversations WHERE id = ?")
        .bind(conversation_id.uuid())
        .fetch_optional(&mut *db)
        .await?
        .ok_or(StoreError::NotFound("conversation"))?;
    let rows = sqlx::query(
        "SELECT user_id, role, joined_seq FROM members WHERE conversation_id = ? AND known = 1",
    )
    .bind(conversation_id.uuid())
    .fetch_all(db)
    .await?;
    let seat = |row: &SqliteRow| {
        Ok(Seat {
            user_id: id(row, "user_id")?,
            role: role(row)?,
            joined: ConversationSeq(number(row, "joined_seq")?),
        })
    };
    let seats = rows.iter().map(seat).collect::<Result<_, StoreError>>()?;
    Ok(Room { kind: kind(&conversation)?, seats })
}
