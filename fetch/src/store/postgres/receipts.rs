//! Receipt entries: merged, superseding, at most once a second per conversation.
//!
//! What is due is claimed first, in a transaction of its own: of many nodes one writes it, and no row of
//! `receipts_due` is held while conversations are locked. A claim that comes to nothing is due again after one
//! interval. Marks that move meanwhile raise `changes`, and are not taken for written.

use nudge_proto::ConversationId;
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    arguments::ids,
    fan_out::{give, lock_heads},
    locks::lock_conversations,
};
use crate::store::{
    Moved, StoreError, UnixMs,
    news::{News, news},
    rows::{id, int, number, told},
    rules::{RECEIPT_INTERVAL_MS, SETTLED_AT_ONCE},
};

/// Notes that the conversations' marks moved. No receipt is due later than one interval from now: a clock
/// that was ahead holds none back.
pub(super) async fn mark_due(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    now: UnixMs,
) -> Result<(), StoreError> {
    if conversations.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO receipts_due AS r (conversation_id, due_at) \
         SELECT DISTINCT marked, $2::bigint FROM unnest($1::uuid[]) AS marked ORDER BY marked \
         ON CONFLICT (conversation_id) DO UPDATE SET changes = r.changes + 1, \
             due_at = least(coalesce(r.due_at, $2 + $3), $2 + $3, greatest($2, r.settled_at + $3))",
    )
    .bind(ids(conversations))
    .bind(int(now.0))
    .bind(int(RECEIPT_INTERVAL_MS))
    .execute(db)
    .await?;
    Ok(())
}

/// When the next receipts are due.
pub(super) async fn next_due(db: &mut PgConnection) -> Result<Option<UnixMs>, StoreError> {
    let next = sqlx::query(
        "SELECT due_at AS next FROM receipts_due WHERE due_at >= 0 ORDER BY due_at LIMIT 1",
    )
    .fetch_optional(db)
    .await?;
    Ok(next.map(|next| number(&next, "next")).transpose()?.map(UnixMs))
}

/// A conversation whose receipts this node writes, and how often its marks had moved when it was claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    conversation_id: ConversationId,
    changes: i64,
}

/// Claims what is due and nobody else is claiming.
pub(super) async fn claim(db: &mut PgConnection, now: UnixMs) -> Result<Vec<Claim>, StoreError> {
    let again_at = int(now.0 + RECEIPT_INTERVAL_MS);
    let mut claims = claim_between(db, 0, int(now.0), now, SETTLED_AT_ONCE).await?;
    let room = SETTLED_AT_ONCE - claims.len();
    if room > 0 {
        // By a clock that was ahead.
        claims.extend(claim_between(db, again_at + 1, i64::MAX, now, room).await?);
    }
    Ok(claims)
}

/// Of what is due from the one time to the other.
async fn claim_between(
    db: &mut PgConnection,
    from: i64,
    to: i64,
    now: UnixMs,
    limit: usize,
) -> Result<Vec<Claim>, StoreError> {
    let rows = sqlx::query(
        "UPDATE receipts_due r SET due_at = $4, settled_at = $3 FROM \
         (SELECT conversation_id FROM receipts_due WHERE due_at BETWEEN $1 AND $2 \
              ORDER BY due_at LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED) AS d \
         WHERE r.conversation_id = d.conversation_id RETURNING r.conversation_id, r.changes",
    )
    .bind(from)
    .bind(to)
    .bind(int(now.0))
    .bind(int(now.0 + RECEIPT_INTERVAL_MS))
    .bind(limit as i64)
    .fetch_all(db)
    .await?;
    let claim = |row: &PgRow| {
        Ok(Claim { conversation_id: id(row, "conversation_id")?, changes: row.try_get("changes")? })
    };
    rows.iter().map(claim).collect()
}

/// Writes what was claimed; what moved.
pub(super) async fn settle(
    db: &mut PgConnection,
    claims: &[Claim],
    now: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let conversations: Vec<_> = claims.iter().map(|claim| claim.conversation_id).collect();
    lock_conversations(db, &conversations).await?;
    let news = find_news(db, &conversations).await?;
    let moved = if news.is_empty() { Vec::new() } else { tell(db, &news, now).await? };
    sqlx::query(
        "WITH held AS MATERIALIZED (SELECT r.conversation_id \
             FROM unnest($1::uuid[], $2::bigint[]) AS k(conversation_id, changes) \
             JOIN receipts_due r ON r.conversation_id = k.conversation_id AND r.changes = k.changes \
             ORDER BY r.conversation_id FOR NO KEY UPDATE OF r) \
         UPDATE receipts_due r SET due_at = NULL FROM held \
         WHERE r.conversation_id = held.conversation_id",
    )
    .bind(ids(&conversations))
    .bind(claims.iter().map(|claim| claim.changes).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(moved)
}

async fn find_news(
    db: &mut PgConnection,
    conversations: &[ConversationId],
) -> Result<Vec<News>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.conversation_id, m.user_id, m.delivered_seq, m.read_seq, m.sent_seq, m.receipt, \
             c.kind FROM conversations c JOIN members m ON m.conversation_id = c.id \
         WHERE c.id = ANY($1) ORDER BY m.conversation_id",
    )
    .bind(ids(conversations))
    .fetch_all(db)
    .await?;
    Ok(news(&rows.iter().map(told).collect::<Result<Vec<_>, StoreError>>()?))
}

/// Puts each receipt into its inbox in place of the one before.
///
/// An inbox has one live receipt of a conversation. The one before is older than the locks that this holds, and
/// its inbox is locked before it goes.
async fn tell(db: &mut PgConnection, news: &[News], now: UnixMs) -> Result<Vec<Moved>, StoreError> {
    let conversations: Vec<_> = news.iter().map(|news| news.conversation_id.uuid()).collect();
    let users: Vec<_> = news.iter().map(|news| news.user_id.uuid()).collect();
    sqlx::query(
        "WITH held AS MATERIALIZED (SELECT m.conversation_id, m.user_id, n.receipt \
             FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS n(conversation_id, user_id, receipt) \
             JOIN members m ON m.conversation_id = n.conversation_id AND m.user_id = n.user_id \
             ORDER BY m.conversation_id, m.user_id FOR NO KEY UPDATE OF m) \
         UPDATE members m SET receipt = held.receipt FROM held \
         WHERE m.conversation_id = held.conversation_id AND m.user_id = held.user_id",
    )
    .bind(&conversations)
    .bind(&users)
    .bind(news.iter().map(|news| &news.receipt[..]).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    lock_heads(db, users.clone()).await?;
    sqlx::query(
        "DELETE FROM inbox_entries e USING unnest($1::uuid[], $2::uuid[]) AS n(user_id, conversation_id) \
         WHERE e.user_id = n.user_id AND e.conversation_id = n.conversation_id \
             AND e.receipt IS NOT NULL",
    )
    .bind(&users)
    .bind(&conversations)
    .execute(&mut *db)
    .await?;
    let entries: Vec<_> = news.iter().map(|news| news.entry(now)).collect();
    let moved = give(db, &entries).await?;
    Ok(moved.into_iter().flatten().collect())
}
