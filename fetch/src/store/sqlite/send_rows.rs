//! Writing what a batch of sends leaves behind, besides the entries in inboxes.

use sqlx::SqliteConnection;

use super::arguments::json;
use crate::store::{
    StoreError,
    sends::{Accepted, new_heads, newest_own},
};

/// Writes messages, send receipts, grants and heads.
pub(super) async fn write(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    write_messages(db, accepted).await?;
    write_receipts(db, accepted).await?;
    write_heads(db, accepted).await?;
    if accepted.iter().any(|accepted| !accepted.send.media.is_empty()) {
        write_grants(db, accepted).await?;
    }
    Ok(())
}

async fn write_messages(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    // The bodies are one value, of which each row takes its part; of an empty one, SQLite's substr
    // makes NULL.
    let mut bodies = Vec::with_capacity(accepted.iter().map(|it| it.send.body.len()).sum());
    let mut rows = Vec::with_capacity(accepted.len());
    for it in accepted {
        let Accepted { send, seq, refused, .. } = it;
        rows.push((
            (send.conversation_id, seq.0, send.message_id, send.sender.0, send.client_id),
            (&send.content_type, send.media.len(), send.now.0, it.expires_at(), refused),
            (bodies.len() + 1, send.body.len()),
        ));
        bodies.extend_from_slice(&send.body);
    }
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, sender_id, client_id, \
             content_type, media_count, sent_at, expires_at, refused, body) \
         SELECT unhex(value->>'$[0][0]', '-'), value->>'$[0][1]', unhex(value->>'$[0][2]', '-'), \
             unhex(value->>'$[0][3]', '-'), unhex(value->>'$[0][4]', '-'), \
             value->>'$[1][0]', value->>'$[1][1]', value->>'$[1][2]', value->>'$[1][3]', \
             value->>'$[1][4]', coalesce(substr(?2, value->>'$[2][0]', value->>'$[2][1]'), x'') \
         FROM json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(bodies)
    .execute(db)
    .await?;
    Ok(())
}

async fn write_receipts(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    let row = |Accepted { send, seq, digest, inbox_seq, .. }: &Accepted<'_>| {
        (
            (send.conversation_id, send.sender.0, send.client_id, send.message_id),
            (seq.0, inbox_seq.0, hex::encode(digest), send.now.0),
        )
    };
    sqlx::query(
        "INSERT INTO send_receipts (conversation_id, sender_id, client_id, message_id, \
             seq, inbox_seq, digest, sent_at) \
         SELECT unhex(value->>'$[0][0]', '-'), unhex(value->>'$[0][1]', '-'), \
             unhex(value->>'$[0][2]', '-'), unhex(value->>'$[0][3]', '-'), \
             value->>'$[1][0]', value->>'$[1][1]', unhex(value->>'$[1][2]'), value->>'$[1][3]' \
         FROM json_each(?)",
    )
    .bind(json(&accepted.iter().map(row).collect::<Vec<_>>())?)
    .execute(db)
    .await?;
    Ok(())
}

async fn write_heads(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE conversations SET head = value->>1 FROM json_each(?) \
         WHERE conversations.id = unhex(value->>0, '-')",
    )
    .bind(json(&new_heads(accepted).iter().collect::<Vec<_>>())?)
    .execute(&mut *db)
    .await?;
    let own = newest_own(accepted);
    let own: Vec<_> =
        own.iter().map(|((conversation, user), seq)| (conversation, user, seq)).collect();
    sqlx::query(
        "UPDATE members SET sent_seq = value->>2 FROM json_each(?) \
         WHERE conversation_id = unhex(value->>0, '-') AND user_id = unhex(value->>1, '-')",
    )
    .bind(json(&own)?)
    .execute(db)
    .await?;
    Ok(())
}

async fn write_grants(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for it in accepted {
        let Accepted { send, seq, refused, .. } = it;
        let only_for = refused.then_some(send.sender.0);
        for (position, medium) in send.media.iter().enumerate() {
            rows.push((
                (medium, send.conversation_id, seq.0, position),
                (only_for, it.expires_at(), send.media_expire_at.0),
            ));
        }
    }
    let rows = json(&rows)?;
    sqlx::query(
        "INSERT INTO grants (medium_id, conversation_id, conversation_seq, position, only_for, \
             expires_at) \
         SELECT unhex(value->>'$[0][0]', '-'), unhex(value->>'$[0][1]', '-'), value->>'$[0][2]', \
             value->>'$[0][3]', unhex(value->>'$[1][0]', '-'), value->>'$[1][1]' \
         FROM json_each(?) WHERE true \
         ON CONFLICT (medium_id, conversation_id, conversation_seq) DO NOTHING",
    )
    .bind(&rows)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "UPDATE media SET expires_at = max(expires_at, kept) FROM \
         (SELECT unhex(value->>'$[0][0]', '-') AS named, max(value->>'$[1][2]') AS kept \
          FROM json_each(?) GROUP BY named) WHERE media.id = named",
    )
    .bind(&rows)
    .execute(db)
    .await?;
    Ok(())
}
