//! Sends: a batch is read, judged and written as sets, in a bounded number of statements.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use nudge_proto::{ConversationId, ConversationSeq, InboxSeq, MessageId, UserId};
use sqlx::PgConnection;

use super::{
    FanOut, PostgresStore,
    fan_out::give,
    history,
    lanes::{Verdicts, Work},
    pending, send_facts,
    send_rows::{write, write_receipts},
    transactions::{Repeat, Transactions},
};
use crate::store::{
    History, Message, Messages, Outcome, Send, Sent, StoreError, UnixMs,
    rules::judge_sends,
    sends::{accepted, answers, entries, introduced, note_inbox_numbers},
};

#[async_trait]
impl Messages for PostgresStore {
    async fn send(&self, send: Send) -> Result<Outcome<Sent>, StoreError> {
        self.sends.run(send.conversation_id, send).await
    }

    async fn message(
        &self,
        user_id: UserId,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Message, StoreError> {
        self.read(|db, _| Box::pin(history::message(db, user_id, id, now))).await
    }

    async fn history(
        &self,
        user_id: UserId,
        id: ConversationId,
        before: Option<ConversationSeq>,
        limit: usize,
        now: UnixMs,
    ) -> Result<History, StoreError> {
        self.read(|db, _| Box::pin(history::page(db, user_id, id, before, limit, now))).await
    }
}

/// What the lanes of sends do. A conversation's sends share a lane.
#[derive(Clone, Debug)]
pub(super) struct SendWork {
    pub(super) transactions: Transactions,
    pub(super) fan_out: FanOut,
}

impl Work for SendWork {
    type Item = Send;
    type Answer = Outcome<Sent>;

    fn weight(&self, send: &Send) -> usize {
        send.body.len()
    }

    fn commit<'a>(
        &'a self,
        sends: &'a [Send],
    ) -> BoxFuture<'a, Result<Verdicts<Outcome<Sent>>, StoreError>> {
        Box::pin(self.commit_all(sends))
    }
}

impl SendWork {
    async fn commit_all(&self, sends: &[Send]) -> Result<Verdicts<Outcome<Sent>>, StoreError> {
        let sends: Vec<&Send> = sends.iter().collect();
        let earlier = Earlier::default();
        let work = self.transactions.write(Repeat::Safe, |db, _| {
            Box::pin(async {
                let mut answers = commit(db, &sends, self.fan_out).await?;
                earlier.recall(&sends, &mut answers);
                Ok(answers)
            })
        });
        let mut answers = work.await?;
        pending::finish_sends(&self.transactions, &sends, &mut answers).await;
        Ok(answers)
    }
}

/// Commits as many of the first sends as one commit takes, and with `fan_out` fans them out; an answer to each of
/// them.
async fn commit(
    db: &mut PgConnection,
    sends: &[&Send],
    fan_out: FanOut,
) -> Result<Verdicts<Outcome<Sent>>, StoreError> {
    let taken = send_facts::fitting(db, sends).await?;
    let sends = &sends[..taken];
    let facts = send_facts::load(db, sends).await?;
    let conversations = facts.conversations.clone();
    let verdicts = judge_sends(facts, sends);
    let mut accepted = accepted(sends, &verdicts);
    let mut moved = vec![Vec::new(); accepted.len()];
    if !accepted.is_empty() {
        // Inboxes last: whoever shares one with these conversations waits from here to the commit.
        write(db, &accepted, &introduced(&accepted, &conversations)).await?;
        let entries = entries(&accepted, &conversations);
        match fan_out {
            FanOut::WithCommit => {
                moved = give(db, &entries).await?;
                note_inbox_numbers(&mut accepted, &moved);
            }
            FanOut::AfterCommit => pending::note(db, &accepted, &entries).await?,
        }
        write_receipts(db, &accepted).await?;
    }
    Ok(answers(verdicts, &accepted, moved))
}

/// What attempts that may have been committed answered.
///
/// A message's id is made for one request. When an attempt finds it in a send receipt, an earlier attempt was
/// committed and its answer lost: what that one said is said now.
#[derive(Default)]
struct Earlier(Mutex<HashMap<MessageId, Outcome<Sent>>>);

impl Earlier {
    fn recall(&self, sends: &[&Send], answers: &mut Verdicts<Outcome<Sent>>) {
        let mut earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (send, answer) in sends.iter().zip(answers) {
            let Ok(answer) = answer else { continue };
            if answer.value.message_id != send.message_id {
                continue;
            }
            if answer.value.created {
                earlier.insert(send.message_id, answer.clone());
            } else if let Some(first) = earlier.get(&send.message_id) {
                *answer = first.clone();
            }
        }
    }
}

/// Whether the sender's own entry is still to come.
pub(super) fn is_pending(answer: &Result<Outcome<Sent>, StoreError>) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.value.inbox_seq == InboxSeq::ZERO)
}
