//! Reading what the verdicts on a batch of sends depend on, under the locks of their conversations.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ConversationId, UserId, limits::GROUP_MEMBERS_MAX};
use sqlx::{PgConnection, Row};

use super::{
    arguments::ids,
    grants::hold_readable,
    locks::{Locked, lock_conversations},
};
use crate::store::{
    ConversationKind, Send, Sent, StoreError, UnixMs,
    rows::{id, number, send_receipt},
    rules::{ConversationFacts, SendFacts, SendKey, send_key, sends_within},
    sends::INBOX_ENTRIES_MAX,
};

/// How many of the first sends one commit takes.
pub(super) async fn fitting(db: &mut PgConnection, sends: &[&Send]) -> Result<usize, StoreError> {
    if sends.len() * GROUP_MEMBERS_MAX <= INBOX_ENTRIES_MAX {
        return Ok(sends.len());
    }
    let rows = sqlx::query(
        "SELECT conversation_id, count(*) AS size FROM members WHERE conversation_id = ANY($1) \
         GROUP BY conversation_id",
    )
    .bind(ids(&conversation_ids(sends)))
    .fetch_all(db)
    .await?;
    let mut sizes: HashMap<ConversationId, usize> = HashMap::with_capacity(rows.len());
    for row in &rows {
        sizes.insert(id(row, "conversation_id")?, number(row, "size")? as usize);
    }
    let size = |conversation| sizes.get(&conversation).copied().unwrap_or(0);
    Ok(sends_within(sends, size, INBOX_ENTRIES_MAX))
}

/// Locks the conversations, and loads what concerns the sends: what this waited for is seen.
pub(super) async fn load(db: &mut PgConnection, sends: &[&Send]) -> Result<SendFacts, StoreError> {
    let locked = lock_conversations(db, &conversation_ids(sends)).await?;
    let receipts = receipts(db, sends).await?;
    let conversations = conversations(db, &locked).await?;
    let blocks = blocks(db, sends, &conversations).await?;
    let mut facts = SendFacts { receipts, conversations, blocks, ..SendFacts::default() };
    let wanted: Vec<_> = sends
        .iter()
        .flat_map(|send| send.media.iter().map(|medium| (send.sender.0, *medium)))
        .collect();
    if !wanted.is_empty() {
        let now = sends.iter().map(|send| send.now).max().unwrap_or(UnixMs(0));
        facts.readable = hold_readable(db, &wanted, now).await?;
    }
    Ok(facts)
}

fn conversation_ids(sends: &[&Send]) -> Vec<ConversationId> {
    let mut conversations: Vec<_> = sends.iter().map(|send| send.conversation_id).collect();
    conversations.sort_unstable();
    conversations.dedup();
    conversations
}

async fn receipts(
    db: &mut PgConnection,
    sends: &[&Send],
) -> Result<HashMap<SendKey, ([u8; 32], Sent)>, StoreError> {
    let keys: Vec<_> = sends.iter().map(|send| send_key(send)).collect();
    let rows = sqlx::query(
        "SELECT r.* FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k(conversation, sender, client) \
         JOIN send_receipts r ON r.conversation_id = k.conversation AND r.sender_id = k.sender \
             AND r.client_id = k.client",
    )
    .bind(keys.iter().map(|key| key.0.uuid()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.1.uuid()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.2.uuid()).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    rows.iter().map(send_receipt).collect()
}

async fn conversations(
    db: &mut PgConnection,
    locked: &[Locked],
) -> Result<HashMap<ConversationId, ConversationFacts>, StoreError> {
    let fresh = |locked: &Locked| {
        let (kind, head) = (locked.kind, locked.head);
        (locked.id, ConversationFacts { kind, head, members: Vec::new(), hidden_from: None })
    };
    let mut conversations: HashMap<_, _> = locked.iter().map(fresh).collect();
    let rows = sqlx::query(
        "SELECT conversation_id, user_id, known FROM members WHERE conversation_id = ANY($1)",
    )
    .bind(locked.iter().map(|locked| locked.id.uuid()).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for row in &rows {
        let Some(facts) = conversations.get_mut(&id(row, "conversation_id")?) else { continue };
        let member = id(row, "user_id")?;
        facts.members.push(member);
        if !row.try_get::<bool, _>("known")? {
            facts.hidden_from = Some(member);
        }
    }
    Ok(conversations)
}

/// Who of a direct conversation blocks one who sends to it.
async fn blocks(
    db: &mut PgConnection,
    sends: &[&Send],
    conversations: &HashMap<ConversationId, ConversationFacts>,
) -> Result<HashSet<(UserId, UserId)>, StoreError> {
    let mut pairs = HashSet::new();
    for send in sends {
        let sender = send.sender.0;
        match conversations.get(&send.conversation_id) {
            Some(direct) if direct.kind == ConversationKind::Direct => {
                let others = direct.members.iter().filter(|member| **member != sender);
                pairs.extend(others.map(|other| (*other, sender)));
            }
            _ => {}
        }
    }
    if pairs.is_empty() {
        return Ok(pairs);
    }
    let (blockers, blocked): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(blocker, blocked)| (blocker.uuid(), blocked.uuid())).unzip();
    let rows = sqlx::query(
        "SELECT b.user_id, b.blocked_id FROM unnest($1::uuid[], $2::uuid[]) AS p(blocker, blocked) \
         JOIN blocks b ON b.user_id = p.blocker AND b.blocked_id = p.blocked",
    )
    .bind(blockers)
    .bind(blocked)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((id(row, "user_id")?, id(row, "blocked_id")?))).collect()
}
