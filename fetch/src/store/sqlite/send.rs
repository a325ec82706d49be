//! Sends: a batch is read, judged and written as sets, in a bounded number of statements.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use nudge_proto::{ConversationId, ConversationSeq, InboxSeq, MessageId, UserId};
use sqlx::SqliteConnection;

use super::{
    SqliteStore,
    fan_out::{Content, Entry, fan_out},
    history, send_facts,
    send_rows::write,
};
use crate::store::{
    History, Message, Messages, Moved, Outcome, Send, Sent, StoreError, UnixMs,
    rules::{ConversationFacts, SendVerdict, judge_sends},
};

#[async_trait]
impl Messages for SqliteStore {
    async fn send(&self, send: Send) -> Result<Outcome<Sent>, StoreError> {
        self.writer.send(send).await
    }

    async fn message(
        &self,
        user_id: UserId,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Message, StoreError> {
        history::message(&mut *self.read().await?, user_id, id, now).await
    }

    async fn history(
        &self,
        user_id: UserId,
        id: ConversationId,
        before: Option<ConversationSeq>,
        limit: usize,
        now: UnixMs,
    ) -> Result<History, StoreError> {
        history::page(&mut *self.read().await?, user_id, id, before, limit, now).await
    }
}

/// A send that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted<'a> {
    pub(super) send: &'a Send,
    pub(super) seq: ConversationSeq,
    pub(super) digest: [u8; 32],
    pub(super) refused: bool,
    /// Of the sender's own entry; known after the fan-out.
    pub(super) inbox_seq: InboxSeq,
}

type Verdict = Result<Outcome<Sent>, StoreError>;

/// Commits and fans out as many of the first sends as one commit takes; a verdict for each of them.
pub(super) async fn commit(
    db: &mut SqliteConnection,
    sends: &[&Send],
) -> Result<Vec<Verdict>, StoreError> {
    let (taken, facts) = send_facts::load(db, sends).await?;
    let sends = &sends[..taken];
    let conversations = facts.conversations.clone();
    let verdicts = judge_sends(facts, sends);
    let mut accepted = accepted(sends, &verdicts);
    let mut moved = Vec::new();
    if !accepted.is_empty() {
        moved = deliver(db, &conversations, &mut accepted).await?;
        write(db, &accepted).await?;
        introduce(db, &accepted, &conversations).await?;
    }
    Ok(answers(sends, verdicts, &accepted, moved))
}

fn accepted<'a>(
    sends: &[&'a Send],
    verdicts: &[Result<SendVerdict, StoreError>],
) -> Vec<Accepted<'a>> {
    let accept = |(send, verdict): (&&'a Send, &Result<SendVerdict, StoreError>)| match verdict {
        Ok(SendVerdict::Commit { seq, digest, refused }) => Some(Accepted {
            send,
            seq: *seq,
            digest: *digest,
            refused: *refused,
            inbox_seq: InboxSeq::ZERO,
        }),
        Ok(SendVerdict::Repeat(_) | SendVerdict::RepeatOf(_)) | Err(_) => None,
    };
    sends.iter().zip(verdicts).filter_map(accept).collect()
}

/// Fans the accepted sends out, and notes the number of each sender's own entry.
async fn deliver(
    db: &mut SqliteConnection,
    conversations: &HashMap<ConversationId, ConversationFacts>,
    accepted: &mut [Accepted<'_>],
) -> Result<Vec<Vec<Moved>>, StoreError> {
    let entries: Vec<_> = accepted.iter().map(|accepted| entry(conversations, accepted)).collect();
    let moved = fan_out(db, &entries).await?;
    for (accepted, moved) in accepted.iter_mut().zip(&moved) {
        let own = moved.iter().find(|moved| moved.user_id == accepted.send.sender.0);
        accepted.inbox_seq = own.map_or(InboxSeq::ZERO, |own| own.notice.head);
    }
    Ok(moved)
}

fn entry<'a>(
    conversations: &'a HashMap<ConversationId, ConversationFacts>,
    accepted: &Accepted<'a>,
) -> Entry<'a> {
    let send = accepted.send;
    let audience = match conversations.get(&send.conversation_id) {
        Some(conversation) if !accepted.refused => &conversation.members[..],
        _ => std::slice::from_ref(&send.sender.0),
    };
    Entry {
        conversation_id: send.conversation_id,
        content: Content::Message(accepted.seq, send.message_id),
        audience,
        actor: Some(send.sender),
        now: send.now,
    }
}

/// A first message makes its direct conversation known to the other side.
async fn introduce(
    db: &mut SqliteConnection,
    accepted: &[Accepted<'_>],
    conversations: &HashMap<ConversationId, ConversationFacts>,
) -> Result<(), StoreError> {
    let reached = accepted.iter().filter(|accepted| !accepted.refused);
    let hidden_from = |accepted: &Accepted<'_>| {
        let id = accepted.send.conversation_id;
        conversations.get(&id)?.hidden_from.map(|user| (id, user))
    };
    let introduced: HashSet<_> = reached.filter_map(hidden_from).collect();
    for (conversation, user) in introduced {
        sqlx::query("UPDATE members SET known = 1 WHERE conversation_id = ? AND user_id = ?")
            .bind(conversation.uuid())
            .bind(user.uuid())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

fn answers(
    sends: &[&Send],
    verdicts: Vec<Result<SendVerdict, StoreError>>,
    accepted: &[Accepted<'_>],
    moved: Vec<Vec<Moved>>,
) -> Vec<Verdict> {
    let mut committed = accepted.iter().zip(moved);
    let mut answers: Vec<Verdict> = Vec::with_capacity(sends.len());
    for verdict in verdicts {
        let answer = match verdict {
            Err(error) => Err(error),
            Ok(SendVerdict::Repeat(sent)) => Ok(Outcome::quiet(sent)),
            Ok(SendVerdict::RepeatOf(place)) => answers[place]
                .as_ref()
                .map(|first| Outcome::quiet(Sent { created: false, ..first.value }))
                .map_err(StoreError::clone),
            Ok(SendVerdict::Commit { .. }) => committed
                .next()
                .map(|(accepted, moved)| Outcome { value: accepted.sent(), moved })
                .ok_or_else(|| StoreError::Damaged("a send without its entry".to_owned())),
        };
        answers.push(answer);
    }
    answers
}

impl Accepted<'_> {
    const fn sent(&self) -> Sent {
        Sent {
            created: true,
            message_id: self.send.message_id,
            seq: self.seq,
            inbox_seq: self.inbox_seq,
            sent_at: self.send.now,
        }
    }
}
