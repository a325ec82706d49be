//! What becomes of a batch of sends.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ClientMessageId, ConversationId, ConversationSeq, MediumId, UserId};

use super::send_digest;
use crate::store::{ConversationKind, Send, Sent, StoreError};

/// What names a send for good.
pub type SendKey = (ConversationId, UserId, ClientMessageId);

/// The key of a send.
#[must_use]
pub const fn send_key(send: &Send) -> SendKey {
    (send.conversation_id, send.sender.0, send.client_id)
}

/// Everything that the verdicts depend on, as it stands before the batch.
#[derive(Clone, Debug, Default)]
pub struct SendFacts {
    /// The receipts that are there, with `created: false`.
    pub receipts: HashMap<SendKey, ([u8; 32], Sent)>,
    /// The conversations that are there.
    pub conversations: HashMap<ConversationId, ConversationFacts>,
    /// (who blocks, who is blocked), as far as they share one of the direct conversations.
    pub blocks: HashSet<(UserId, UserId)>,
    /// The media that the senders may read.
    pub readable: HashSet<(UserId, MediumId)>,
}

/// A conversation that is sent to.
#[derive(Clone, Debug)]
pub struct ConversationFacts {
    /// Direct or group.
    pub kind: ConversationKind,
    /// The newest number.
    pub head: ConversationSeq,
    /// The present members.
    pub members: Vec<UserId>,
    /// The side of a direct conversation that does not know of it yet.
    pub hidden_from: Option<UserId>,
}

/// What becomes of one send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendVerdict {
    /// It was committed before: answer so again.
    Repeat(Sent),
    /// It is the same as an earlier one of this batch, by its place.
    RepeatOf(usize),
    /// It is to be written.
    Commit {
        /// Its number in the conversation.
        seq: ConversationSeq,
        /// Of what the client-made id stands for from now on.
        digest: [u8; 32],
        /// Only its sender ever sees it: the other side blocks him.
        refused: bool,
    },
}

/// Judges the sends of a batch in their order.
#[must_use]
pub fn judge_sends(mut facts: SendFacts, sends: &[&Send]) -> Vec<Result<SendVerdict, StoreError>> {
    let mut accepted = HashMap::new();
    let mut judge = |(place, send): (usize, &&Send)| {
        let digest = send_digest(send);
        if let Some(verdict) = repetition(&facts, &accepted, send, &digest) {
            return verdict;
        }
        let verdict = facts.admit(send, digest)?;
        accepted.insert(send_key(send), (digest, place));
        Ok(verdict)
    };
    sends.iter().enumerate().map(&mut judge).collect()
}

/// Looked up before everything else (P2).
fn repetition(
    facts: &SendFacts,
    accepted: &HashMap<SendKey, ([u8; 32], usize)>,
    send: &Send,
    digest: &[u8; 32],
) -> Option<Result<SendVerdict, StoreError>> {
    let key = send_key(send);
    let stored = facts.receipts.get(&key).map(|(first, sent)| (first, SendVerdict::Repeat(*sent)));
    let (first, verdict) = stored.or_else(|| {
        accepted.get(&key).map(|(first, place)| (first, SendVerdict::RepeatOf(*place)))
    })?;
    let conflict = || StoreError::IdempotencyConflict(send.client_id.uuid());
    Some(if first == digest { Ok(verdict) } else { Err(conflict()) })
}

impl SendFacts {
    /// Gives the send the conversation's next number, if it may be sent.
    fn admit(&mut self, send: &Send, digest: [u8; 32]) -> Result<SendVerdict, StoreError> {
        let sender = send.sender.0;
        let conversation = self
            .conversations
            .get_mut(&send.conversation_id)
            .filter(|conversation| conversation.members.contains(&sender))
            .filter(|conversation| conversation.hidden_from != Some(sender))
            .ok_or(StoreError::NotFound("conversation"))?;
        if send.media.iter().any(|medium| !self.readable.contains(&(sender, *medium))) {
            return Err(StoreError::NotFound("medium"));
        }
        let blocked = |member: &UserId| self.blocks.contains(&(*member, sender));
        let refused = conversation.kind == ConversationKind::Direct
            && conversation.members.iter().any(blocked);
        conversation.head = conversation.head.next();
        Ok(SendVerdict::Commit { seq: conversation.head, digest, refused })
    }
}

/// How many of the batch's first sends write at most `rows_max` inbox entries together, and at least
/// one. `size` is a conversation's number of members.
#[must_use]
pub fn sends_within(
    sends: &[&Send],
    size: impl Fn(ConversationId) -> usize,
    rows_max: usize,
) -> usize {
    let mut rows = 0;
    let fits = |send: &&&Send| {
        rows += size(send.conversation_id);
        rows <= rows_max
    };
    sends.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nudge_proto::{DeviceId, MessageId};

    use super::*;
    use crate::store::UnixMs;

    fn send(facts: &SendFacts, text: &'static str) -> Send {
        let (&conversation_id, conversation) = facts.conversations.iter().next().unwrap();
        Send {
            sender: (conversation.members[0], DeviceId::random()),
            conversation_id,
            client_id: ClientMessageId::random(),
            message_id: MessageId::random(),
            content_type: "text/plain".to_owned(),
            body: Bytes::from(text),
            media: Vec::new(),
            ttl_s: None,
            media_expire_at: UnixMs(9),
            now: UnixMs(1),
        }
    }

    fn direct() -> SendFacts {
        let conversation = ConversationFacts {
            kind: ConversationKind::Direct,
            head: ConversationSeq(4),
            members: vec![UserId::random(), UserId::random()],
            hidden_from: None,
        };
        let conversations = HashMap::from([(ConversationId::random(), conversation)]);
        SendFacts { conversations, ..SendFacts::default() }
    }

    #[test]
    fn p2_a_repetition_within_one_batch_is_the_same_message() {
        let facts = direct();
        let first = send(&facts, "hello");
        let other = Send { body: Bytes::from("hullo"), ..first.clone() };
        let next = send(&facts, "and more");
        let verdicts = judge_sends(facts, &[&first, &first, &other, &next]);
        let seq = |verdict: &Result<SendVerdict, StoreError>| match verdict {
            Ok(SendVerdict::Commit { seq, .. }) => seq.0,
            other => panic!("{other:?}"),
        };
        assert_eq!((seq(&verdicts[0]), seq(&verdicts[3])), (5, 6), "no number is spent twice");
        assert_eq!(verdicts[1], Ok(SendVerdict::RepeatOf(0)));
        let conflict = StoreError::IdempotencyConflict(first.client_id.uuid());
        assert_eq!(verdicts[2], Err(conflict));
    }

    #[test]
    fn a_batch_takes_as_many_sends_as_its_entries_allow_and_at_least_one() {
        let facts = direct();
        let sends: Vec<_> = (0..5).map(|_| send(&facts, "hello")).collect();
        let sends: Vec<_> = sends.iter().collect();
        for (rows_max, taken) in [(1, 1), (2, 1), (4, 2), (9, 4), (10, 5), (99, 5)] {
            assert_eq!(sends_within(&sends, |_| 2, rows_max), taken, "{rows_max} rows");
        }
    }
}
