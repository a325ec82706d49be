//! Giving entries in inboxes: the second half of a commit, by itself and safe to repeat.

use std::collections::HashMap;

use nudge_proto::{
    ConversationId, ConversationSeq, DeviceId, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{id, int, number};
use crate::store::{Moved, StoreError, UnixMs};

/// What gets an entry in the inboxes of its audience.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) conversation_id: ConversationId,
    pub(super) content: Content,
    pub(super) audience: &'a [UserId],
    /// Whose deed it is, and the device that needs no notice of it.
    pub(super) actor: Option<(UserId, DeviceId)>,
    pub(super) now: UnixMs,
}

/// What an entry shows.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Message(ConversationSeq, MessageId),
    Change(ConversationSeq),
    /// As it is stored.
    Receipt(Vec<u8>),
}

/// Gives every inbox of each entry's audience its next number, in the order of `entries`; what moved,
/// entry by entry. The inboxes' heads stay locked until the transaction ends.
///
/// An inbox that has the message or change already keeps the entry it has. Who has no inbox any more
/// gets nothing.
pub(super) async fn fan_out(
    db: &mut PgConnection,
    entries: &[Entry<'_>],
) -> Result<Vec<Vec<Moved>>, StoreError> {
    let mut inboxes = lock_heads(db, entries).await?;
    let mut rows = Rows::default();
    let mut moved = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut moved_by_entry = Vec::with_capacity(entry.audience.len());
        for user in entry.audience {
            let Some(inbox) = inboxes.get_mut(user) else { continue };
            inbox.head = inbox.head.next();
            inbox.newest = entry.content.message_id().or(inbox.newest);
            rows.push(*user, inbox.head, entry);
            moved_by_entry.push(entry.moved(*user, inbox.head));
        }
        moved.push(moved_by_entry);
    }
    rows.insert(db).await?;
    raise_heads(db, &inboxes).await?;
    Ok(moved)
}

/// An inbox that gets entries.
struct Inbox {
    head: InboxSeq,
    /// Of the entries that it gets now.
    newest: Option<MessageId>,
}

async fn lock_heads(
    db: &mut PgConnection,
    entries: &[Entry<'_>],
) -> Result<HashMap<UserId, Inbox>, StoreError> {
    let mut users: Vec<Uuid> =
        entries.iter().flat_map(|entry| entry.audience).map(|user| user.uuid()).collect();
    users.sort_unstable();
    users.dedup();
    let rows = sqlx::query(
        "SELECT user_id, head FROM inboxes WHERE user_id = ANY($1) \
         ORDER BY user_id FOR NO KEY UPDATE",
    )
    .bind(users)
    .fetch_all(db)
    .await?;
    let mut inboxes = HashMap::with_capacity(rows.len());
    for row in &rows {
        let head = InboxSeq(number(row, "head")?);
        inboxes.insert(id(row, "user_id")?, Inbox { head, newest: None });
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
        let (conversation_seq, receipt) = entry.content.columns();
        self.users.push(user.uuid());
        self.seqs.push(int(seq.0));
        self.conversations.push(entry.conversation_id.uuid());
        self.conversation_seqs.push(conversation_seq);
        self.receipts.push(receipt);
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

impl Content {
    const fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::Message(_, id) => Some(*id),
            Self::Change(_) | Self::Receipt(_) => None,
        }
    }

    /// `conversation_seq` and `receipt`.
    fn columns(&self) -> (Option<i64>, Option<Vec<u8>>) {
        match self {
            Self::Message(seq, _) | Self::Change(seq) => (Some(int(seq.0)), None),
            Self::Receipt(receipt) => (None, Some(receipt.clone())),
        }
    }

    const fn flags(&self) -> NoticeFlags {
        match self {
            Self::Message(..) => NoticeFlags::MESSAGE,
            Self::Change(_) => NoticeFlags::CHANGE,
            Self::Receipt(_) => NoticeFlags::RECEIPT,
        }
    }
}

impl Entry<'_> {
    fn moved(&self, user_id: UserId, head: InboxSeq) -> Moved {
        let notice =
            Notice { head, message_id: self.content.message_id(), flags: self.content.flags() };
        let own = self.actor.filter(|(actor, _)| *actor == user_id);
        Moved { user_id, notice, except_device_id: own.map(|(_, device)| device) }
    }
}
