//! What was seen from outside, and whether the promises about order hold in it.
//!
//! The checker knows nothing of the server's inside: it is fed with answers to sends and with inbox
//! pages, in the order in which they arrived, and says everything that contradicts P1, P2 or P3.
//! [`Deliveries`] does the same for what apps were told by the SDK, with P4 and P6.

mod check;
mod deliveries;
mod violation;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, Epoch, InboxSeq, MessageId, UserId,
    ids::InvalidId, pb::content as pb,
};

pub use deliveries::{Content, Deliveries, Told};
pub use violation::Violation;

/// Answers and pages, in the order in which they arrived.
#[derive(Clone, Debug, Default)]
pub struct History {
    members: BTreeMap<ConversationId, BTreeSet<UserId>>,
    acknowledged: Vec<AcknowledgedSend>,
    pages: Vec<ObservedPage>,
}

/// A send that the server answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcknowledgedSend {
    /// Who sent.
    pub sender_id: UserId,
    /// The id that makes the send idempotent.
    pub client_message_id: ClientMessageId,
    /// What the server named it.
    pub message_id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its place there.
    pub conversation_seq: ConversationSeq,
    /// Its place in the sender's own inbox, where the answer was seen and not only its outcome.
    pub inbox_seq: Option<InboxSeq>,
    /// [`History::acknowledged_count`] when it was first tried.
    pub begun_after: usize,
}

/// An inbox page that a device received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPage {
    /// Whose inbox.
    pub user_id: UserId,
    /// Who asked.
    pub device_id: DeviceId,
    /// The store's epoch.
    pub epoch: Epoch,
    /// Where the page starts, exclusively.
    pub after: InboxSeq,
    /// Where it ends, inclusively.
    pub through: InboxSeq,
    /// The inbox's newest number at that time.
    pub head: InboxSeq,
    /// [`History::observed_count`] when it was asked for.
    pub asked_after: usize,
    /// What it holds, in its order.
    pub entries: Vec<(InboxSeq, SeenEntry)>,
}

/// What stood at a number of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenEntry {
    /// A message.
    Message {
        /// Its place in its conversation.
        place: Place,
        /// Who sent it.
        sender_id: UserId,
        /// What its sender named it.
        client_message_id: ClientMessageId,
    },
    /// A change of a conversation; takes a place like a message does.
    Change(Place),
    /// A receipt: it has no place, and a newer one takes it away.
    Receipt(ConversationId),
}

/// What an entry that takes a number of its conversation is, and which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The entry's id.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there.
    pub conversation_seq: ConversationSeq,
}

/// A page or answer that the server's own schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAnswer {
    /// An id that is none.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// An entry with nothing in it.
    #[error("the inbox entry {0} is neither a message nor a receipt nor a change")]
    EmptyEntry(InboxSeq),
}

impl History {
    /// Says who is in a conversation, from before its first send to the end.
    pub fn conversation(
        &mut self,
        conversation_id: ConversationId,
        members: impl IntoIterator<Item = UserId>,
    ) {
        self.members.entry(conversation_id).or_default().extend(members);
    }

    /// Records an answer to a send.
    pub fn acknowledged(&mut self, send: AcknowledgedSend) {
        self.acknowledged.push(send);
    }

    /// Records a page.
    pub fn observed(&mut self, page: ObservedPage) {
        self.pages.push(page);
    }

    /// Acknowledged sends so far, retries included.
    #[must_use]
    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }

    /// Pages so far.
    #[must_use]
    pub fn observed_count(&self) -> usize {
        self.pages.len()
    }

    /// Whether everything recorded agrees with itself and with P1 to P3.
    ///
    /// To be asked when every device has read up to the head. Every device is expected to have
    /// existed before the first send that is recorded.
    ///
    /// # Errors
    ///
    /// Everything that does not hold.
    pub fn verify(&self) -> Result<Summary, Contradictions> {
        let (summary, violations) = check::check(&self.members, &self.acknowledged, &self.pages);
        if violations.is_empty() {
            Ok(summary)
        } else {
            Err(Contradictions { summary, violations })
        }
    }
}

impl AcknowledgedSend {
    /// Reads the server's answer to `client_message_id` of `sender_id`, first tried when
    /// `begun_after` answers were recorded.
    ///
    /// # Errors
    ///
    /// When an id in it is none.
    pub fn from_answer(
        sender_id: UserId,
        client_message_id: ClientMessageId,
        begun_after: usize,
        answer: &pb::SendResponse,
    ) -> Result<Self, MalformedAnswer> {
        Ok(Self {
            sender_id,
            client_message_id,
            message_id: answer.message_id.parse()?,
            conversation_id: answer.conversation_id.parse()?,
            conversation_seq: ConversationSeq(answer.conversation_seq),
            inbox_seq: Some(InboxSeq(answer.inbox_seq)),
            begun_after,
        })
    }
}

impl ObservedPage {
    /// Reads a page that `device_id` of `user_id` received, asked for when `asked_after` pages were
    /// recorded.
    ///
    /// # Errors
    ///
    /// When an id in it is none, or an entry is empty.
    pub fn from_answer(
        user_id: UserId,
        device_id: DeviceId,
        asked_after: usize,
        page: &pb::InboxPage,
    ) -> Result<Self, MalformedAnswer> {
        let entries = page.entries.iter().map(|entry| {
            let seq = InboxSeq(entry.seq);
            SeenEntry::from_answer(seq, entry).map(|seen| (seq, seen))
        });
        Ok(Self {
            user_id,
            device_id,
            epoch: Epoch(page.epoch),
            after: InboxSeq(page.after),
            through: InboxSeq(page.through),
            head: InboxSeq(page.head),
            asked_after,
            entries: entries.collect::<Result<_, _>>()?,
        })
    }
}

impl SeenEntry {
    fn from_answer(seq: InboxSeq, entry: &pb::InboxEntry) -> Result<Self, MalformedAnswer> {
        if let Some(message) = &entry.message {
            return Ok(Self::Message {
                place: Place::of(&message.id, &message.conversation_id, message.conversation_seq)?,
                sender_id: message.sender_id.parse()?,
                client_message_id: message.client_message_id.parse()?,
            });
        }
        if let Some(change) = &entry.change {
            let place = Place::of(&change.id, &change.conversation_id, change.conversation_seq)?;
            return Ok(Self::Change(place));
        }
        let receipt = entry.receipt.as_ref().ok_or(MalformedAnswer::EmptyEntry(seq))?;
        Ok(Self::Receipt(receipt.conversation_id.parse()?))
    }

    fn is_message(&self, id: MessageId) -> bool {
        matches!(self, Self::Message { place, .. } if place.id == id)
    }

    /// The place that the entry takes, if it is of the kind that takes one.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::Message { place, .. } | Self::Change(place) => Some(*place),
            Self::Receipt(_) => None,
        }
    }
}

impl Place {
    fn of(id: &str, conversation_id: &str, seq: u64) -> Result<Self, InvalidId> {
        Ok(Self {
            id: id.parse()?,
            conversation_id: conversation_id.parse()?,
            conversation_seq: ConversationSeq(seq),
        })
    }
}

/// How much a history holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Different sends that were acknowledged.
    pub sends: usize,
    /// Answers to them, retries included.
    pub answers: usize,
    /// Devices that read.
    pub devices: usize,
    /// Pages they received.
    pub pages: usize,
    /// Different messages they saw.
    pub messages: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} sends in {} answers; {} messages in {} pages of {} devices",
            self.sends, self.answers, self.messages, self.pages, self.devices
        )
    }
}

/// What a history contradicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradictions {
    /// How much was looked at.
    pub summary: Summary,
    /// Everything that does not hold.
    pub violations: Vec<Violation>,
}

impl fmt::Display for Contradictions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 20;
        writeln!(formatter, "{} contradictions in {}", self.violations.len(), self.summary)?;
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(formatter, "  - {violation}")?;
        }
        match self.violations.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(formatter, "  - and {more} more"),
        }
    }
}

impl std::error::Error for Contradictions {}
