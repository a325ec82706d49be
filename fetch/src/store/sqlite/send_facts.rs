//! Reading what the verdicts on a batch of sends depend on.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ConversationId, ConversationSeq, UserId};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{arguments::json, grants::readable};
use crate::store::{
    ConversationKind, Send, Sent, StoreError, UnixMs,
    rows::{id, kind, number, send_receipt},
    rules::{ConversationFacts, SendFacts, SendKey, send_key, sends_within},
    sends::INBOX_ENTRIES_MAX,
};

/// Loads what concerns as many of the first sends as one commit takes, and says how many.
pub(super) async fn load(
    db: &mut SqliteConnection,
    sends: &[&Send],
) -> Result<(usize, SendFacts), StoreError> {
    let sizes = conversation_heads(db, sends).await?;
    let size = |conversation| sizes.get(&conversation).map_or(0, |found| found.size);
    let taken = sends_within(sends, size, INBOX_ENTRIES_MAX);
    let sends = &sends[..taken];
    let conversations = conversations(db, sends, &sizes).await?;
    let mut facts = SendFacts {
        receipts: receipts(db, sends).await?,
        blocks: blocks(db, sends, &conversations).await?,
        conversations,
        ..SendFacts::default()
    };
    let wanted: Vec<_> = sends
        .iter()
        .flat_map(|send| send.media.iter().map(|medium| (send.sender.0, *medium)))
        .collect();
    if !wanted.is_empty() {
        let now = sends.iter().map(|send| send.now).max().unwrap_or(UnixMs(0));
        facts.readable = readable(db, &wanted, now).await?;
    }
    Ok((taken, facts))
}

struct Head {
    kind: ConversationKind,
    head: ConversationSeq,
    size: usize,
}

async fn conversation_heads(
    db: &mut SqliteConnection,
    sends: &[&Send],
) -> Result<HashMap<ConversationId, Head>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, kind, head, \
             (SELECT count(*) FROM members m WHERE m.conversation_id = c.id) AS size \
         FROM conversations c WHERE id IN (SELECT unhex(value, '-') FROM json_each(?))",
    )
    .bind(json(&conversation_ids(sends))?)
    .fetch_all(db)
    .await?;
    let head = |row: &SqliteRow| {
        let head = ConversationSeq(number(row, "head")?);
        Ok((id(row, "id")?, Head { kind: kind(row)?, head, size: number(row, "size")? as usize }))
    };
    rows.iter().map(head).collect()
}

fn conversation_ids(sends: &[&Send]) -> HashSet<ConversationId> {
    sends.iter().map(|send| send.conversation_id).collect()
}

async fn receipts(
    db: &mut SqliteConnection,
    sends: &[&Send],
) -> Result<HashMap<SendKey, ([u8; 32], Sent)>, StoreError> {
    let keys: Vec<_> = sends.iter().map(|send| send_key(send)).collect();
    let rows = sqlx::query(
        "SELECT r.* FROM json_each(?) CROSS JOIN send_receipts r \
             ON r.conversation_id = unhex(value->>0, '-') AND r.sender_id = unhex(value->>1, '-') \
             AND r.client_id = unhex(value->>2, '-')",
    )
    .bind(json(&keys)?)
    .fetch_all(db)
    .await?;
    rows.iter().map(send_receipt).collect()
}

async fn conversations(
    db: &mut SqliteConnection,
    sends: &[&Send],
    heads: &HashMap<ConversationId, Head>,
) -> Result<HashMap<ConversationId, ConversationFacts>, StoreError> {
    let rows = sqlx::query(
        "SELECT conversation_id, user_id, known FROM members \
         WHERE conversation_id IN (SELECT unhex(value, '-') FROM json_each(?))",
    )
    .bind(json(&conversation_ids(sends))?)
    .fetch_all(db)
    .await?;
    let mut conversations = HashMap::with_capacity(heads.len());
    for row in &rows {
        let conversation_id = id(row, "conversation_id")?;
        let Some(Head { kind, head, size }) = heads.get(&conversation_id) else { continue };
        let facts = conversations.entry(conversation_id).or_insert_with(|| ConversationFacts {
            kind: *kind,
            head: *head,
            members: Vec::with_capacity(*size),
            hidden_from: None,
        });
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
    db: &mut SqliteConnection,
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
    let rows = sqlx::query(
        "SELECT b.user_id, b.blocked_id FROM json_each(?) CROSS JOIN blocks b \
             ON b.user_id = unhex(value->>0, '-') AND b.blocked_id = unhex(value->>1, '-')",
    )
    .bind(json(&pairs)?)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((id(row, "user_id")?, id(row, "blocked_id")?))).collect()
}
