//! A batch of sends between its verdicts and its answers.

use std::collections::{HashMap, HashSet};

use nudge_proto::{ConversationId, ConversationSeq, InboxSeq, UserId};

use super::{
    Moved, Outcome, Send, Sent, StoreError, UnixMs,
    entries::{Content, Entry},
    rules::{ConversationFacts, SendVerdict},
};

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

pub(super) type Verdicts = Vec<Result<SendVerdict, StoreError>>;
pub(super) type Conversations = HashMap<ConversationId, ConversationFacts>;

/// Those of the sends that are to be written.
pub(super) fn accepted<'a>(sends: &[&'a Send], verdicts: &Verdicts) -> Vec<Accepted<'a>> {
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

/// What each of them puts into inboxes.
pub(super) fn entries<'a>(
    accepted: &[Accepted<'a>],
    conversations: &'a Conversations,
) -> Vec<Entry<'a>> {
    accepted.iter().map(|accepted| accepted.entry(conversations)).collect()
}

/// Notes the number of each sender's own entry.
pub(super) fn note_inbox_numbers(accepted: &mut [Accepted<'_>], moved: &[Vec<Moved>]) {
    for (accepted, moved) in accepted.iter_mut().zip(moved) {
        let own = moved.iter().find(|moved| moved.user_id == accepted.send.sender.0);
        accepted.inbox_seq = own.map_or(InboxSeq::ZERO, |own| own.notice.head);
    }
}

/// The new head of each conversation.
pub(super) fn new_heads(accepted: &[Accepted<'_>]) -> HashMap<ConversationId, ConversationSeq> {
    accepted.iter().map(|accepted| (accepted.send.conversation_id, accepted.seq)).collect()
}

/// Each sender's newest message. What was refused is never counted in receipts: it is not what they are about.
pub(super) fn newest_own(
    accepted: &[Accepted<'_>],
) -> HashMap<(ConversationId, UserId), ConversationSeq> {
    let reached = accepted.iter().filter(|accepted| !accepted.refused);
    let key = |accepted: &Accepted<'_>| (accepted.send.conversation_id, accepted.send.sender.0);
    reached.map(|accepted| (key(accepted), accepted.seq)).collect()
}

/// A first message makes its direct conversation known to the other side.
pub(super) fn introduced(
    accepted: &[Accepted<'_>],
    conversations: &Conversations,
) -> HashSet<(ConversationId, UserId)> {
    let reached = accepted.iter().filter(|accepted| !accepted.refused);
    let hidden_from = |accepted: &Accepted<'_>| {
        let id = accepted.send.conversation_id;
        conversations.get(&id)?.hidden_from.map(|user| (id, user))
    };
    reached.filter_map(hidden_from).collect()
}

/// An answer to each send. `moved` is what the accepted ones moved, in their order.
pub(super) fn answers(
    verdicts: Verdicts,
    accepted: &[Accepted<'_>],
    moved: Vec<Vec<Moved>>,
) -> Vec<Result<Outcome<Sent>, StoreError>> {
    let mut committed = accepted.iter().zip(moved);
    let mut answers: Vec<Result<Outcome<Sent>, StoreError>> = Vec::with_capacity(verdicts.len());
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

impl<'a> Accepted<'a> {
    /// What it puts into inboxes: of a refused one, its sender's alone.
    fn entry(&self, conversations: &'a Conversations) -> Entry<'a> {
        let send = self.send;
        let audience = match conversations.get(&send.conversation_id) {
            Some(conversation) if !self.refused => &conversation.members[..],
            _ => std::slice::from_ref(&send.sender.0),
        };
        Entry {
            conversation_id: send.conversation_id,
            content: Content::Message(self.seq, send.message_id),
            audience,
            actor: Some(send.sender),
            now: send.now,
        }
    }

    /// When the message disappears by its own wish.
    pub(super) fn expires_at(&self) -> Option<u64> {
        let UnixMs(now) = self.send.now;
        self.send.ttl_s.map(|ttl_s| now.saturating_add(ttl_s.saturating_mul(1000)))
    }

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

/// Inbox entries that one commit writes, unless its first send alone has more.
pub(super) const INBOX_ENTRIES_MAX: usize = 8192;
