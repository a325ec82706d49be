//! Writing what a batch of sends leaves behind, besides the entries in inboxes.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::{
    StoreError,
    rows::int,
    sends::{Accepted, new_heads, newest_own},
};

/// Writes messages, grants, heads, and what the members have to do with it.
pub(super) async fn write(
    db: &mut PgConnection,
    accepted: &[Accepted<'_>],
    introduced: &HashSet<(ConversationId, UserId)>,
) -> Result<(), StoreError> {
    write_messages(db, accepted).await?;
    write_heads(db, accepted).await?;
    if accepted.iter().any(|accepted| !accepted.send.media.is_empty()) {
        write_grants(db, accepted).await?;
    }
    write_members(db, &newest_own(accepted), introduced).await
}

/// A column's values.
fn column<'a, T>(accepted: &[Accepted<'a>], value: impl FnMut(&Accepted<'a>) -> T) -> Vec<T> {
    accepted.iter().map(value).collect()
}

async fn write_messages(
    db: &mut PgConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, sender_id, client_id, content_type, \
             media_count, sent_at, expires_at, refused, body) \
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[], $11::bytea[])",
    )
    .bind(column(accepted, |it| it.send.conversation_id.uuid()))
    .bind(column(accepted, |it| int(it.seq.0)))
    .bind(column(accepted, |it| it.send.message_id.uuid()))
    .bind(column(accepted, |it| it.send.sender.0.uuid()))
    .bind(column(accepted, |it| it.send.client_id.uuid()))
    .bind(column(accepted, |it| it.send.content_type.as_str()))
    .bind(column(accepted, |it| it.send.media.len() as i64))
    .bind(column(accepted, |it| int(it.send.now.0)))
    .bind(column(accepted, |it| it.expires_at().map(int)))
    .bind(column(accepted, |it| it.refused))
    .bind(column(accepted, |it| &it.send.body[..]))
    .execute(db)
    .await?;
    Ok(())
}

/// Writes the send receipts, which say where the senders' own entries stand.
pub(super) async fn write_receipts(
    db: &mut PgConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO send_receipts (conversation_id, sender_id, client_id, message_id, seq, \
             inbox_seq, digest, sent_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], \
             $6::bigint[], $7::bytea[], $8::bigint[])",
    )
    .bind(column(accepted, |it| it.send.conversation_id.uuid()))
    .bind(column(accepted, |it| it.send.sender.0.uuid()))
    .bind(column(accepted, |it| it.send.client_id.uuid()))
    .bind(column(accepted, |it| it.send.message_id.uuid()))
    .bind(column(accepted, |it| int(it.seq.0)))
    .bind(column(accepted, |it| int(it.inbox_seq.0)))
    .bind(column(accepted, |it| it.digest.to_vec()))
    .bind(column(accepted, |it| int(it.send.now.0)))
    .execute(db)
    .await?;
    Ok(())
}

/// The conversations are locked already.
async fn write_heads(db: &mut PgConnection, accepted: &[Accepted<'_>]) -> Result<(), StoreError> {
    let (conversations, heads): (Vec<_>, Vec<_>) =
        new_heads(accepted).into_iter().map(|(id, head)| (id.uuid(), int(head.0))).unzip();
    sqlx::query(
        "UPDATE conversations c SET head = n.head \
         FROM unnest($1::uuid[], $2::bigint[]) AS n(id, head) WHERE c.id = n.id",
    )
    .bind(conversations)
    .bind(heads)
    .execute(db)
    .await?;
    Ok(())
}

/// The media are locked already.
async fn write_grants(db: &mut PgConnection, accepted: &[Accepted<'_>]) -> Result<(), StoreError> {
    let mut grants = Grants::default();
    for it in accepted {
        for (position, medium) in it.send.media.iter().enumerate() {
            grants.media.push(medium.uuid());
            grants.conversations.push(it.send.conversation_id.uuid());
            grants.seqs.push(int(it.seq.0));
            grants.positions.push(position as i64);
            grants.only_for.push(it.refused.then(|| it.send.sender.0.uuid()));
            grants.expire_at.push(it.expires_at().map(int));
            grants.kept_until.push(int(it.send.media_expire_at.0));
        }
    }
    sqlx::query(
        "UPDATE media m SET expires_at = greatest(expires_at, kept) FROM \
             (SELECT named, max(kept) AS kept FROM unnest($1::uuid[], $2::bigint[]) AS n(named, kept) \
              GROUP BY named) AS n WHERE m.id = named",
    )
    .bind(&grants.media)
    .bind(&grants.kept_until)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO grants (medium_id, conversation_id, conversation_seq, position, only_for, \
             expires_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], \
             $6::bigint[]) \
         ON CONFLICT (medium_id, conversation_id, conversation_seq) DO NOTHING",
    )
    .bind(grants.media)
    .bind(grants.conversations)
    .bind(grants.seqs)
    .bind(grants.positions)
    .bind(grants.only_for)
    .bind(grants.expire_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Rows of `grants`, column by column, and how long each medium is kept at least.
#[derive(Default)]
struct Grants {
    media: Vec<Uuid>,
    conversations: Vec<Uuid>,
    seqs: Vec<i64>,
    positions: Vec<i64>,
    only_for: Vec<Option<Uuid>>,
    expire_at: Vec<Option<i64>>,
    kept_until: Vec<i64>,
}

/// Notes each sender's newest message, and whom a first message introduced.
///
/// Acks lock members without their conversation: in the same order as here.
async fn write_members(
    db: &mut PgConnection,
    newest_own: &HashMap<(ConversationId, UserId), ConversationSeq>,
    introduced: &HashSet<(ConversationId, UserId)>,
) -> Result<(), StoreError> {
    let own = newest_own.iter().map(|((conversation, user), seq)| (conversation, user, Some(seq)));
    let introduced = introduced.iter().map(|(conversation, user)| (conversation, user, None));
    let (mut conversations, mut users, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for (conversation, user, seq) in own.chain(introduced) {
        conversations.push(conversation.uuid());
        users.push(user.uuid());
        seqs.push(seq.map(|seq| int(seq.0)));
    }
    sqlx::query(
        "WITH held AS MATERIALIZED (SELECT m.conversation_id, m.user_id, w.seq \
             FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS w(conversation_id, user_id, seq) \
             JOIN members m ON m.conversation_id = w.conversation_id AND m.user_id = w.user_id \
             ORDER BY m.conversation_id, m.user_id FOR NO KEY UPDATE OF m) \
         UPDATE members m SET sent_seq = coalesce(h.seq, m.sent_seq), known = true FROM held h \
         WHERE m.conversation_id = h.conversation_id AND m.user_id = h.user_id",
    )
    .bind(conversations)
    .bind(users)
    .bind(seqs)
    .execute(db)
    .await?;
    Ok(())
}
