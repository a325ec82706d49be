//! Giving entries in inboxes: the second half of a commit, by itself and safe to repeat.

use std::collections::HashMap;

use nudge_proto::{Epoch, InboxSeq, MessageId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::pending;
use crate::store::{
    Moved, StoreError,
    entries::{Content, Entry},
    rows::{id, int, number},
};

/// Gives every inbox of each entry's audience its next number, in the order of `entries`; what moved,
/// entry by entry. A change comes after every message that was sent before it.
pub(super) async fn fan_out(
    db: &mut PgConnection,
    entries: &[Entry<'_>],
) -> Result<Vec<Vec<Moved>>, StoreError> {
    let mut earlier = Vec::new();
    for entry in entries {
        if matches!(entry.content, Content::Change(_)) {
            let finished = pending::finish(db, entry.conversation_id, entry.audience).await?;
            earlier.extend(finished.into_iter().flat_map(|done| done.moved));
        }
    }
    let mut moved = give(db, entries).await?;
    if let Some(first) = moved.first_mut() {
        first.splice(..0, earlier);
    }
    Ok(moved)
}

/// The same, as if nothing were pending. The inboxes' heads stay locked until the transaction ends.
///
/// An inbox that has the message or change already keeps the entry it has. Who has no inbox any more
/// gets nothing.
pub(super) async fn give(
    db: &mut PgConnection,
    entries: &[Entry<'_>],
) -> Result<Vec<Vec<Moved>>, StoreError> {
    let users = entries.iter().flat_map(|entry| entry.audience).map(|user| user.uuid());
    let mut inboxes = lock_heads(db, users.collect()).await?;
    let mut rows = Rows::default();
    let mut moved = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut moved_by_entry = Vec::with_capacity(entry.audience.len());
        for user in entry.audience {
            let Some(inbox) = inboxes.get_mut(user) else { continue };
            inbox.head = inbox.head.next();
            inbox.newest = entry.content.message_id().or(inbox.newest);
            rows.push(*user, inbox.head, entry);
            moved_by_entry.push(entry.moved(*user, inbox.epoch, inbox.head));
        }
        moved.push(moved_by_entry);
    }
    rows.insert(db).await?;
    raise_heads(db, &inboxes).await?;
    Ok(moved)
}

/// An inbox that gets entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inbox {
    epoch: Epoch,
    head: InboxSeq,
    /// Of the entries that it gets now.
    newest: Option<MessageId>,
}

/// Those of the inboxes that are there, locked until the transaction ends.
pub(super) async fn lock_heads(
    db: &mut PgConnection,
    mut users: Vec<Uuid>,
) -> Result<HashMap<UserId, Inbox>, StoreError> {
    users.sort_unstable();
    users.dedup();
    let rows = sqlx::query(
        "SELECT i.user_id, i.head, store.epoch FROM store CROSS JOIN inboxes i \
         WHERE i.user_id = ANY($1) ORDER BY i.user_id FOR NO KEY UPDATE OF i",
    )
    .bind(users)
    .fetch_all(db)
    .await?;
    let mut inboxes = HashMap::with_capacity(rows.len());
    for row in &rows {
        let (epoch, head) = (Epoch(number(row, "epoch")?), InboxSeq(number(row, "head")?));
        inboxes.insert(id(row, "user_id")?, Inbox { epoch, head, newest: None });
    }
    Ok(inboxes)
}

async fn raise_heads(
    db: &mut PgConnection,
    inboxes: &HashMap<UserId, Inbox>,
) -> Result<(), StoreError> {
    let (mut users, mut heads, mut newest) = (Vec::new(), Vec::new(), Vec::new());
    for (user, inbox) in inboxes {
        users.push(user.uuid());
        heads.push(int(inbox.head.0));
        newest.push(inbox.newest.map(MessageId::uuid));
    }
    sqlx::query(
        "UPDATE inboxes i SET head = g.head, newest_message = coalesce(g.newest, newest_message) \
         FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS g(user_id, head, newest) \
         WHERE i.user_id = g.user_id",
    )
    .bind(users)
    .bind(heads)
    .bind(newest)
    .execute(db)
    .await?;
    Ok(())
}

/// Rows of `inbox_entries`, column by column.
#[derive(Default)]
struct Rows {
    users: Vec<Uuid>,
    seqs: Vec<i64>,
    conversations: Vec<Uuid>,
    conversation_seqs: Vec<Option<i64>>,
    receipts: Vec<Option<Vec<u8>>>,
    times: Vec<i64>,
}

impl Rows {
    fn push(&mut self, user: UserId, seq: InboxSeq, entry: &Entry<'_>) {
        self.users.push(user.uuid());
        self.seqs.push(int(seq.0));
        self.conversations.push(entry.conversation_id.uuid());
        self.conversation_seqs.push(entry.content.seq().map(|seq| int(seq.0)));
        self.receipts.push(entry.content.receipt().cloned());
        self.times.push(int(entry.now.0));
    }

    async fn insert(self, db: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO inbox_entries \
                 (user_id, seq, conversation_id, conversation_seq, receipt, created_at) \
             SELECT * FROM \
                 unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bytea[], $6::bigint[]) \
             ON CONFLICT (conversation_id, conversation_seq, user_id) \
                 WHERE conversation_seq IS NOT NULL DO NOTHING",
        )
        .bind(self.users)
        .bind(self.seqs)
        .bind(self.conversations)
        .bind(self.conversation_seqs)
        .bind(self.receipts)
        .bind(self.times)
        .execute(db)
        .await?;
        Ok(())
    }
}
