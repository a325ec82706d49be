//! Sends: a batch is read, judged and written as sets, in a bounded number of statements.

use std::collections::HashSet;

use async_trait::async_trait;
use nudge_proto::{ConversationId, ConversationSeq, MessageId, UserId};
use sqlx::SqliteConnection;

use super::{SqliteStore, fan_out::fan_out, history, send_facts, send_rows::write};
use crate::store::{
    History, Message, Messages, Outcome, Send, Sent, StoreError, UnixMs,
    rules::judge_sends,
    sends::{accepted, answers, entries, introduced, note_inbox_numbers},
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
        moved = fan_out(db, &entries(&accepted, &conversations)).await?;
        note_inbox_numbers(&mut accepted, &moved);
        write(db, &accepted).await?;
        introduce(db, &introduced(&accepted, &conversations)).await?;
    }
    Ok(answers(verdicts, &accepted, moved))
}

async fn introduce(
    db: &mut SqliteConnection,
    introduced: &HashSet<(ConversationId, UserId)>,
) -> Result<(), StoreError> {
    for (conversation, user) in introduced {
        sqlx::query("UPDATE members SET known = 1 WHERE conversation_id = ? AND user_id = ?")
            .bind(conversation.uuid())
            .bind(user.uuid())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
