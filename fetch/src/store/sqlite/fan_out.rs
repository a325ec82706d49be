//! Giving entries in inboxes: the second half of a commit, by itself and safe to repeat.

use std::collections::HashMap;

use nudge_proto::{Epoch, InboxSeq, MessageId, UserId};
use sqlx::SqliteConnection;

use super::arguments::json;
use crate::store::{
    Moved, StoreError,
    entries::Entry,
    rows::{id, number},
};

/// Gives every inbox of each entry's audience its next number, in the order of `entries`; what moved,
/// entry by entry.
///
/// An inbox that has the message or change already keeps the entry it has. Who has no inbox any more
/// gets nothing.
pub(super) async fn fan_out(
    db: &mut SqliteConnection,
    entries: &[Entry<'_>],
) -> Result<Vec<Vec<Moved>>, StoreError> {
    let mut next = raise_heads(db, entries).await?;
    let mut rows = Vec::with_capacity(entries.iter().map(|entry| entry.audience.len()).sum());
    let mut moved = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut moved_by_entry = Vec::with_capacity(entry.audience.len());
        for user in entry.audience {
            let Some((epoch, next)) = next.get_mut(user) else { continue };
            let seq = entry.content.seq().map(|seq| seq.0);
            let receipt = entry.content.receipt().map(hex::encode);
            rows.push((user, next.0, entry.conversation_id, seq, receipt, entry.now.0));
            moved_by_entry.push(entry.moved(*user, *epoch, *next));
            *next = next.next();
        }
        moved.push(moved_by_entry);
    }
    sqlx::query(
        "INSERT INTO inbox_entries \
             (user_id, seq, conversation_id, conversation_seq, receipt, created_at) \
         SELECT unhex(value->>0, '-'), value->>1, unhex(value->>2, '-'), value->>3, \
             unhex(value->>4), value->>5 FROM json_each(?) WHERE true \
         ON CONFLICT (conversation_id, conversation_seq, user_id) \
             WHERE conversation_seq IS NOT NULL DO NOTHING",
    )
    .bind(json(&rows)?)
    .execute(db)
    .await?;
    Ok(moved)
}

/// Makes room for the entries; each inbox's first new number, and its epoch.
async fn raise_heads(
    db: &mut SqliteConnection,
    entries: &[Entry<'_>],
) -> Result<HashMap<UserId, (Epoch, InboxSeq)>, StoreError> {
    let mut gains: HashMap<UserId, (u64, Option<MessageId>)> = HashMap::new();
    for entry in entries {
        for user in entry.audience {
            let (count, newest) = gains.entry(*user).or_default();
            *count += 1;
            *newest = entry.content.message_id().or(*newest);
        }
    }
    let rows = sqlx::query(
        "UPDATE inboxes SET head = head + gain, newest_message = coalesce(newest, newest_message) \
         FROM (SELECT unhex(value->>0, '-') AS gainer, value->>1 AS gain, \
             unhex(value->>2, '-') AS newest FROM json_each(?)) \
         WHERE user_id = gainer RETURNING user_id, head, (SELECT epoch FROM store) AS epoch",
    )
    .bind(json(&gains.iter().map(|(user, gain)| (user, gain.0, gain.1)).collect::<Vec<_>>())?)
    .fetch_all(db)
    .await?;
    let mut next = HashMap::with_capacity(rows.len());
    for row in &rows {
        let user: UserId = id(row, "user_id")?;
        let gain = gains.get(&user).map_or(0, |gain| gain.0);
        let first = InboxSeq(number(row, "head")? - gain + 1);
        next.insert(user, (Epoch(number(row, "epoch")?), first));
    }
    Ok(next)
}
