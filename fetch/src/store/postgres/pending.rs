//! Fan-outs that are transactions of their own, and that outlive whoever began them.
//!
//! The commit of a message leaves a row that says whose inboxes it belongs into. The fan-out gives the entries and
//! takes the row away; when it dies, whoever finds the row does it: a retry of the send, the next change of the
//! conversation, or the sweep. A conversation's rows are taken in their order, by one at a time, so that an inbox
//! never has a later message before an earlier one.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ConversationId, ConversationSeq, InboxSeq, UserId};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    arguments::ids,
    fan_out::{give, lock_heads},
    send::is_pending,
    transactions::{Repeat, Transactions},
};
use crate::store::{
    Moved, Outcome, Send, Sent, StoreError, UnixMs,
    entries::{Content, Entry},
    rows::{id, int, number, time},
    sends::Accepted,
};

/// Leaves a row for each of the accepted sends, whose entries are given later.
pub(super) async fn note(
    db: &mut PgConnection,
    accepted: &[Accepted<'_>],
    entries: &[Entry<'_>],
) -> Result<(), StoreError> {
    // Arrays of arrays are no lists of lists there: a row at a time.
    for (it, entry) in accepted.iter().zip(entries) {
        let (sender, device) = it.send.sender;
        sqlx::query(
            "INSERT INTO fan_outs (conversation_id, seq, message_id, sender_id, device_id, client_id, \
                 audience, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(it.send.conversation_id.uuid())
        .bind(int(it.seq.0))
        .bind(it.send.message_id.uuid())
        .bind(sender.uuid())
        .bind(device.uuid())
        .bind(it.send.client_id.uuid())
        .bind(ids(entry.audience))
        .bind(int(it.send.now.0))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Finishes the fan-outs of what was sent, and notes in the answers what they did.
///
/// A message whose fan-out fails stays committed, and is finished later; who sent it is told to ask again.
pub(super) async fn finish_sends(
    transactions: &Transactions,
    sends: &[&Send],
    answers: &mut [Result<Outcome<Sent>, StoreError>],
) {
    let mut waiting: Vec<_> = sends
        .iter()
        .zip(answers)
        .filter(|(_, answer)| is_pending(answer))
        .map(|(send, answer)| (send.conversation_id, answer))
        .collect();
    waiting.sort_by_key(|(conversation_id, _)| *conversation_id);
    for answers in waiting.chunk_by_mut(|(one, _), (next, _)| one == next) {
        let conversation_id = answers[0].0;
        let wanted: Vec<_> = answers
            .iter()
            .filter_map(|(_, answer)| answer.as_ref().ok().map(|answer| answer.value.seq))
            .collect();
        let mut finished = finish_and_find(transactions, conversation_id, &wanted).await;
        for (_, answer) in answers {
            match (&mut finished, answer.as_mut()) {
                (Ok(finished), Ok(answer)) => {
                    if let Some(done) = finished.get_mut(&answer.value.seq) {
                        answer.value.inbox_seq = done.inbox_seq;
                        answer.moved.append(&mut done.moved);
                    }
                }
                (Err(error), _) => **answer = Err(error.clone()),
                (Ok(_), Err(_)) => {}
            }
        }
    }
}

/// What a fan-out did.
#[derive(Clone, Debug)]
pub(super) struct FannedOut {
    pub(super) seq: ConversationSeq,
    /// Of the sender's own entry.
    pub(super) inbox_seq: InboxSeq,
    /// Empty when somebody else did it.
    pub(super) moved: Vec<Moved>,
}

type Finished = HashMap<ConversationSeq, FannedOut>;

/// Finishes what is pending in the conversation, and finds what somebody else finished.
async fn finish_and_find(
    transactions: &Transactions,
    conversation_id: ConversationId,
    wanted: &[ConversationSeq],
) -> Result<Finished, StoreError> {
    let mut found = Finished::new();
    // Who waited for another one's fan-outs sees those that came meanwhile the next time; in a transaction of its
    // own, since no inbox may be locked after another one with a higher id.
    for _ in 0..FINISH_ROUNDS_MAX {
        let round = transactions
            .write(Repeat::Safe, |db, _| Box::pin(finish_or_find(db, conversation_id, wanted)))
            .await?;
        for (seq, done) in round {
            // What a round did itself is not forgotten for what the next one finds.
            found.entry(seq).or_insert(done);
        }
        if wanted.iter().all(|seq| found.contains_key(seq)) {
            return Ok(found);
        }
    }
    Err(StoreError::Undone("the message is committed, but not yet in all inboxes".to_owned()))
}

async fn finish_or_find(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    wanted: &[ConversationSeq],
) -> Result<Finished, StoreError> {
    let finished = finish(db, conversation_id, &[]).await?;
    let mut found: Finished = finished.into_iter().map(|done| (done.seq, done)).collect();
    let missing: Vec<_> = wanted.iter().filter(|seq| !found.contains_key(seq)).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let rows = sqlx::query(
        "SELECT seq, inbox_seq FROM send_receipts r WHERE conversation_id = $1 AND seq = ANY($2) \
         AND NOT EXISTS (SELECT 1 FROM fan_outs f WHERE f.conversation_id = $1 AND f.seq = r.seq)",
    )
    .bind(conversation_id.uuid())
    .bind(missing.into_iter().map(|seq| int(seq.0)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for row in &rows {
        let seq = ConversationSeq(number(row, "seq")?);
        let inbox_seq = InboxSeq(number(row, "inbox_seq")?);
        found.insert(seq, FannedOut { seq, inbox_seq, moved: Vec::new() });
    }
    Ok(found)
}

/// Finishes what is pending in the conversation, in its order. `others` are whose inboxes this transaction locks
/// afterwards: it locks them with those that it needs now, by id.
pub(super) async fn finish(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    others: &[UserId],
) -> Result<Vec<FannedOut>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM fan_outs WHERE conversation_id = $1 ORDER BY seq FOR UPDATE")
            .bind(conversation_id.uuid())
            .fetch_all(&mut *db)
            .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut pending = rows.iter().map(Pending::read).collect::<Result<Vec<_>, _>>()?;
    let users = pending.iter().flat_map(|it| &it.audience).chain(others).map(|user| user.uuid());
    lock_heads(db, users.collect()).await?;
    leave_out_who_has_it(db, conversation_id, &mut pending).await?;
    let entries: Vec<_> = pending.iter().map(|it| it.entry(conversation_id)).collect();
    let moved = give(db, &entries).await?;
    let finished: Vec<_> =
        pending.iter().zip(moved).map(|(pending, moved)| pending.fanned_out(moved)).collect();
    take_away(db, conversation_id, &pending, &finished).await?;
    Ok(finished)
}

/// A row of `fan_outs`.
struct Pending {
    seq: ConversationSeq,
    message: Content,
    sender: (UserId, nudge_proto::DeviceId),
    client_id: Uuid,
    audience: Vec<UserId>,
    /// Of the sender's entry, where he has it already.
    inbox_seq: Option<InboxSeq>,
    now: UnixMs,
}

impl Pending {
    fn read(row: &PgRow) -> Result<Self, StoreError> {
        let seq = ConversationSeq(number(row, "seq")?);
        let audience: Vec<Uuid> = row.try_get("audience")?;
        Ok(Self {
            seq,
            message: Content::Message(seq, id(row, "message_id")?),
            sender: (id(row, "sender_id")?, id(row, "device_id")?),
            client_id: row.try_get("client_id")?,
            audience: audience.into_iter().map(UserId::from).collect(),
            inbox_seq: None,
            now: time(row, "created_at")?,
        })
    }

    fn entry(&self, conversation_id: ConversationId) -> Entry<'_> {
        Entry {
            conversation_id,
            content: self.message.clone(),
            audience: &self.audience,
            actor: Some(self.sender),
            now: self.now,
        }
    }

    fn fanned_out(&self, moved: Vec<Moved>) -> FannedOut {
        let own = moved.iter().find(|moved| moved.user_id == self.sender.0);
        let given = own.map(|own| own.notice.head);
        let inbox_seq = self.inbox_seq.or(given).unwrap_or(InboxSeq::ZERO);
        FannedOut { seq: self.seq, inbox_seq, moved }
    }
}

/// An engine that commits inboxes one by one may have come halfway.
async fn leave_out_who_has_it(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    pending: &mut [Pending],
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT conversation_seq, user_id, seq FROM inbox_entries \
         WHERE conversation_id = $1 AND conversation_seq = ANY($2)",
    )
    .bind(conversation_id.uuid())
    .bind(pending.iter().map(|it| int(it.seq.0)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let mut there: HashSet<(ConversationSeq, UserId)> = HashSet::with_capacity(rows.len());
    for row in &rows {
        let (seq, user) = (ConversationSeq(number(row, "conversation_seq")?), id(row, "user_id")?);
        there.insert((seq, user));
        let own = pending.iter_mut().find(|it| it.seq == seq && it.sender.0 == user);
        if let Some(own) = own {
            own.inbox_seq = Some(InboxSeq(number(row, "seq")?));
        }
    }
    for it in pending {
        it.audience.retain(|user| !there.contains(&(it.seq, *user)));
    }
    Ok(())
}

/// The send receipts learn the senders' numbers, and the rows go.
async fn take_away(
    db: &mut PgConnection,
    conversation_id: ConversationId,
    pending: &[Pending],
    finished: &[FannedOut],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE send_receipts r SET inbox_seq = f.inbox_seq \
         FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) AS f(sender_id, client_id, inbox_seq) \
         WHERE r.conversation_id = $1 AND r.sender_id = f.sender_id AND r.client_id = f.client_id",
    )
    .bind(conversation_id.uuid())
    .bind(pending.iter().map(|it| it.sender.0.uuid()).collect::<Vec<_>>())
    .bind(pending.iter().map(|it| it.client_id).collect::<Vec<_>>())
    .bind(finished.iter().map(|done| int(done.inbox_seq.0)).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM fan_outs WHERE conversation_id = $1 AND seq = ANY($2)")
        .bind(conversation_id.uuid())
        .bind(finished.iter().map(|done| int(done.seq.0)).collect::<Vec<_>>())
        .execute(db)
        .await?;
    Ok(())
}

/// Finishes what was left from before `before`, a bounded number of conversations a call; what moved.
pub(super) async fn finish_left_over(
    transactions: &Transactions,
    before: UnixMs,
) -> Result<Vec<Moved>, StoreError> {
    let left_over = transactions.read(|db, _| Box::pin(left_over(db, before))).await?;
    let mut moved = Vec::new();
    for conversation_id in left_over {
        let finished = transactions
            .write(Repeat::Safe, |db, _| Box::pin(finish(db, conversation_id, &[])))
            .await?;
        moved.extend(finished.into_iter().flat_map(|done| done.moved));
    }
    Ok(moved)
}

async fn left_over(
    db: &mut PgConnection,
    before: UnixMs,
) -> Result<Vec<ConversationId>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT conversation_id FROM \
         (SELECT conversation_id FROM fan_outs WHERE created_at <= $1 ORDER BY created_at LIMIT $2) AS f",
    )
    .bind(int(before.0))
    .bind(FINISHED_AT_ONCE)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| id(row, "conversation_id")).collect()
}

/// Fan-outs that one step looks at.
const FINISHED_AT_ONCE: i64 = 64;
/// A second round is needed only after waiting for another transaction's fan-outs.
const FINISH_ROUNDS_MAX: usize = 16;
