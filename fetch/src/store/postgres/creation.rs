//! New conversations.
//!
//! What makes one unique comes first, as a row of its own: two who make the same one at once wait for each
//! other there, and the second finds the first's. Its members are held alive until it stands.

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::PgConnection;

use super::{
    arguments::ids,
    changes::{self, Deed},
    members::{Joining, join},
    users::hold_alive,
};
use crate::store::{
    ChangeKind, ConversationKind, NewConversation, Outcome, Role, StoreError,
    rows::{id, int, required_digest},
    rules::{direct_other, group_digest, group_others, judge_group_retry},
    stored::kind_word,
};

type Created = Outcome<(ConversationId, bool)>;

pub(super) async fn create(
    db: &mut PgConnection,
    new: &NewConversation,
) -> Result<Created, StoreError> {
    match new.kind {
        ConversationKind::Direct => create_direct(db, new).await,
        ConversationKind::Group => create_group(db, new).await,
    }
}

/// Nobody is told: the other side learns of it by the first message, and an empty conversation has
/// no number yet.
async fn create_direct(
    db: &mut PgConnection,
    new: &NewConversation,
) -> Result<Created, StoreError> {
    let creator = new.creator.0;
    let other = direct_other(new)?;
    let pair = (creator.min(other), creator.max(other));
    let is_new = claim_pair(db, new, pair).await?;
    if hold_alive(db, &[creator, other]).await? < 2 {
        return Err(StoreError::NotFound("user"));
    }
    if !is_new {
        let made = find_direct(db, creator, pair).await?;
        return Ok(Outcome::quiet((made, made == new.id)));
    }
    insert(db, new, "").await?;
    let joining = [(creator, true), (other, false)].map(|(user_id, known)| Joining {
        user_id,
        role: Role::Member,
        known,
    });
    join(db, new.id, ConversationSeq(1), &joining).await?;
    Ok(Outcome::quiet((new.id, true)))
}

/// Whether the pair had none yet.
async fn claim_pair(
    db: &mut PgConnection,
    new: &NewConversation,
    (low, high): (UserId, UserId),
) -> Result<bool, StoreError> {
    let claimed = sqlx::query(
        "INSERT INTO direct_pairs (low_id, high_id, conversation_id) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(low.uuid())
    .bind(high.uuid())
    .bind(new.id.uuid())
    .execute(db)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// The pair's conversation, which `user` knows of from now on.
async fn find_direct(
    db: &mut PgConnection,
    user: UserId,
    (low, high): (UserId, UserId),
) -> Result<ConversationId, StoreError> {
    let row =
        sqlx::query("SELECT conversation_id FROM direct_pairs WHERE low_id = $1 AND high_id = $2")
            .bind(low.uuid())
            .bind(high.uuid())
            .fetch_one(&mut *db)
            .await?;
    let existing: ConversationId = id(&row, "conversation_id")?;
    sqlx::query(
        "UPDATE members SET known = true \
         WHERE conversation_id = $1 AND user_id = $2 AND NOT known",
    )
    .bind(existing.uuid())
    .bind(user.uuid())
    .execute(db)
    .await?;
    Ok(existing)
}

async fn create_group(db: &mut PgConnection, new: &NewConversation) -> Result<Created, StoreError> {
    let (creator, device) = new.creator;
    if let Some(made) = claim_request(db, new).await? {
        if hold_alive(db, &[creator]).await? == 0 {
            return Err(StoreError::NotFound("user"));
        }
        let made = made?;
        return Ok(Outcome::quiet((made, made == new.id)));
    }
    let others = group_others(new)?;
    check_may_join(db, creator, &others).await?;
    insert(db, new, &new.title).await?;
    let mut joining = vec![Joining { user_id: creator, role: Role::Admin, known: true }];
    joining.extend(others.into_iter().map(|user_id| Joining {
        user_id,
        role: Role::Member,
        known: true,
    }));
    join(db, new.id, ConversationSeq(1), &joining).await?;
    let deed = Deed { conversation_id: new.id, actor: creator, device: Some(device), now: new.now };
    let moved = changes::apply(db, deed, &[ChangeKind::Created]).await?;
    Ok(Outcome { value: (new.id, true), moved })
}

/// The group that was made under the same client-made id, if one was, or why it is another.
async fn claim_request(
    db: &mut PgConnection,
    new: &NewConversation,
) -> Result<Option<Result<ConversationId, StoreError>>, StoreError> {
    let Some(request_id) = new.request_id else {
        return Ok(None);
    };
    let claimed = sqlx::query(
        "INSERT INTO group_requests (creator_id, request_id, conversation_id, digest) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(new.creator.0.uuid())
    .bind(request_id.uuid())
    .bind(new.id.uuid())
    .bind(group_digest(new).to_vec())
    .execute(&mut *db)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT conversation_id, digest FROM group_requests \
         WHERE creator_id = $1 AND request_id = $2",
    )
    .bind(new.creator.0.uuid())
    .bind(request_id.uuid())
    .fetch_one(db)
    .await?;
    let made = (id(&row, "conversation_id")?, required_digest(&row, "digest")?);
    Ok(Some(judge_group_retry(new, request_id, made)))
}

/// All are there and stay alive, and none blocks the creator.
async fn check_may_join(
    db: &mut PgConnection,
    creator: UserId,
    others: &[UserId],
) -> Result<(), StoreError> {
    let all = [others, &[creator]].concat();
    if hold_alive(db, &all).await? < all.len() {
        return Err(StoreError::NotFound("user"));
    }
    let blocked =
        sqlx::query("SELECT 1 FROM blocks WHERE user_id = ANY($1) AND blocked_id = $2 LIMIT 1")
            .bind(ids(others))
            .bind(creator.uuid())
            .fetch_optional(db)
            .await?;
    if blocked.is_some() { Err(StoreError::NotFound("user")) } else { Ok(()) }
}

async fn insert(
    db: &mut PgConnection,
    new: &NewConversation,
    title: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversations (id, kind, title, head, creator_id, created_at) \
         VALUES ($1, $2, $3, 0, $4, $5)",
    )
    .bind(new.id.uuid())
    .bind(kind_word(new.kind))
    .bind(title)
    .bind(new.creator.0.uuid())
    .bind(int(new.now.0))
    .execute(db)
    .await?;
    Ok(())
}
