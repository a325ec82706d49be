//! New conversations.

use nudge_proto::{ConversationId, ConversationSeq, RequestId, UserId};
use sqlx::SqliteConnection;

use super::{
    accounts::is_live,
    arguments::json,
    changes::{self, Deed},
    members::{Joining, join},
};
use crate::store::{
    ChangeKind, ConversationKind, NewConversation, Outcome, Role, StoreError,
    rows::{id, int, required_digest},
    rules::{direct_other, group_digest, group_others, judge_group_retry},
    stored::kind_word,
};

type Created = Outcome<(ConversationId, bool)>;

pub(super) async fn create(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Created, StoreError> {
    // His account may have gone while the request was under way.
    if !is_live(db, new.creator.0).await? {
        return Err(StoreError::NotFound("user"));
    }
    match new.kind {
        ConversationKind::Direct => create_direct(db, new).await,
        ConversationKind::Group => create_group(db, new).await,
    }
}

/// Nobody is told: the other side learns of it by the first message, and an empty conversation has
/// no number yet.
async fn create_direct(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Created, StoreError> {
    let creator = new.creator.0;
    let other = direct_other(new)?;
    if !is_live(db, other).await? {
        return Err(StoreError::NotFound("user"));
    }
    let pair = (creator.min(other), creator.max(other));
    if let Some(existing) = find_direct(db, creator, pair).await? {
        return Ok(Outcome::quiet((existing, false)));
    }
    insert(db, new, Some(pair)).await?;
    let joining = [(creator, true), (other, false)].map(|(user_id, known)| Joining {
        user_id,
        role: Role::Member,
        known,
    });
    join(db, new.id, ConversationSeq(1), &joining).await?;
    Ok(Outcome::quiet((new.id, true)))
}

/// The pair's conversation, which `user` knows of from now on.
async fn find_direct(
    db: &mut SqliteConnection,
    user: UserId,
    (low, high): (UserId, UserId),
) -> Result<Option<ConversationId>, StoreError> {
    let row = sqlx::query("SELECT id FROM conversations WHERE direct_low = ? AND direct_high = ?")
        .bind(low.uuid())
        .bind(high.uuid())
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let existing: ConversationId = id(&row, "id")?;
    sqlx::query("UPDATE members SET known = 1 WHERE conversation_id = ? AND user_id = ?")
        .bind(existing.uuid())
        .bind(user.uuid())
        .execute(db)
        .await?;
    Ok(Some(existing))
}

async fn create_group(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Created, StoreError> {
    if let Some(existing) = find_group(db, new).await? {
        return Ok(Outcome::quiet((existing, false)));
    }
    let (creator, device) = new.creator;
    let members = group_others(new)?;
    check_may_join(db, &members, creator).await?;
    insert(db, new, None).await?;
    let mut joining = vec![Joining { user_id: creator, role: Role::Admin, known: true }];
    joining.extend(members.into_iter().map(|user_id| Joining {
        user_id,
        role: Role::Member,
        known: true,
    }));
    join(db, new.id, ConversationSeq(1), &joining).await?;
    let deed = Deed { conversation_id: new.id, actor: creator, device: Some(device), now: new.now };
    let moved = changes::apply(db, deed, &[ChangeKind::Created]).await?;
    Ok(Outcome { value: (new.id, true), moved })
}

async fn find_group(
    db: &mut SqliteConnection,
    new: &NewConversation,
) -> Result<Option<ConversationId>, StoreError> {
    let Some(request_id) = new.request_id else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT id, request_digest FROM conversations WHERE creator_id = ? AND request_id = ?",
    )
    .bind(new.creator.0.uuid())
    .bind(request_id.uuid())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let made = (id(&row, "id")?, required_digest(&row, "request_digest")?);
    judge_group_retry(new, request_id, made).map(Some)
}

/// All are there, and none blocks the creator.
async fn check_may_join(
    db: &mut SqliteConnection,
    members: &[UserId],
    creator: UserId,
) -> Result<(), StoreError> {
    let willing: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM json_each(?) CROSS JOIN users u ON u.id = unhex(value, '-') \
         WHERE u.deleted_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = ?)",
    )
    .bind(json(&members)?)
    .bind(creator.uuid())
    .fetch_one(db)
    .await?;
    if willing.cast_unsigned() as usize == members.len() {
        Ok(())
    } else {
        Err(StoreError::NotFound("user"))
    }
}

async fn insert(
    db: &mut SqliteConnection,
    new: &NewConversation,
    direct: Option<(UserId, UserId)>,
) -> Result<(), StoreError> {
    let group = direct.is_none();
    sqlx::query(
        "INSERT INTO conversations (id, kind, title, head, creator_id, request_id, \
             request_digest, direct_low, direct_high, created_at) \
         VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.uuid())
    .bind(kind_word(new.kind))
    .bind(if group { &new.title } else { "" })
    .bind(new.creator.0.uuid())
    .bind(new.request_id.filter(|_| group).map(RequestId::uuid))
    .bind(group.then(|| group_digest(new).to_vec()))
    .bind(direct.map(|(low, _)| low.uuid()))
    .bind(direct.map(|(_, high)| high.uuid()))
    .bind(int(new.now.0))
    .execute(db)
    .await?;
    Ok(())
}
