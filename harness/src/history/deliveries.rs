//! What apps were told, and whether everything that was sent reached them once, in order and unchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use nudge_proto::{ClientMessageId, ConversationId, ConversationSeq, MessageId, UserId};

use super::Violation;

/// What apps sent and what apps were told, in the order in which each was told.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    members: BTreeMap<ConversationId, BTreeSet<UserId>>,
    sent: BTreeMap<ClientMessageId, Content>,
    settled: BTreeMap<ClientMessageId, Settled>,
    told: BTreeMap<UserId, Vec<Told>>,
    heard: HashSet<(UserId, MessageId)>,
    /// The digests of the media that arrived.
    media: HashMap<(UserId, ClientMessageId), Vec<[u8; 32]>>,
}

/// What an app gave to its outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The text.
    pub text: String,
    /// The SHA-256 of each file, in their order.
    pub media: Vec<[u8; 32]>,
}

#[derive(Clone, Copy, Debug)]
struct Settled {
    sender_id: UserId,
    conversation_id: ConversationId,
    message_id: MessageId,
}

/// A message that an app was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The place in what the app is told; after a restart it is told again what it did not confirm.
    pub position: u64,
    /// The message.
    pub message_id: MessageId,
    /// What its sender called it.
    pub client_message_id: ClientMessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its number there.
    pub seq: ConversationSeq,
    /// Its text.
    pub text: String,
    /// How many files it has.
    pub media: usize,
}

impl Deliveries {
    /// Says who is in a conversation, from before its first message to the end.
    pub fn conversation(
        &mut self,
        conversation_id: ConversationId,
        members: impl IntoIterator<Item = UserId>,
    ) {
        self.members.entry(conversation_id).or_default().extend(members);
    }

    /// An app gave a message to its outbox.
    pub fn given(&mut self, id: ClientMessageId, content: Content) {
        self.sent.insert(id, content);
    }

    /// An app was told that its message is sent.
    pub fn settled(
        &mut self,
        id: ClientMessageId,
        sender_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) {
        self.settled.insert(id, Settled { sender_id, conversation_id, message_id });
    }

    /// An app was told of a message.
    pub fn told(&mut self, user_id: UserId, told: Told) {
        self.heard.insert((user_id, told.message_id));
        self.told.entry(user_id).or_default().push(told);
    }

    /// An app has a medium of a message on its disk.
    pub fn downloaded(&mut self, user_id: UserId, id: ClientMessageId, sha256: [u8; 32]) {
        self.media.entry((user_id, id)).or_default().push(sha256);
    }

    /// Messages given to outboxes, and those of them that were told to be sent.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.sent.len(), self.settled.len())
    }

    /// How many deliveries are still to come: of every settled message to every other member.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.due().filter(|(user_id, id)| !self.heard.contains(&(*user_id, id.message_id))).count()
    }

    /// Everything that contradicts P1, P2, P3, P4 or P6. To be asked when nothing more is to come.
    #[must_use]
    pub fn verify(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (user_id, settled) in self.due() {
            let message_id = settled.message_id;
            if !self.heard.contains(&(user_id, message_id)) {
                violations.push(Violation::NeverTold { user_id, message_id });
            }
        }
        for (user_id, told) in &self.told {
            check_once_and_in_order(*user_id, told, &mut violations);
            for told in told {
                self.check_content(*user_id, told, &mut violations);
            }
        }
        violations
    }

    /// Who must be told of what.
    fn due(&self) -> impl Iterator<Item = (UserId, Settled)> {
        self.settled.values().flat_map(|settled| {
            let members = self.members.get(&settled.conversation_id).into_iter().flatten();
            members.filter(|member| **member != settled.sender_id).map(|member| (*member, *settled))
        })
    }

    fn check_content(&self, user_id: UserId, told: &Told, violations: &mut Vec<Violation>) {
        let client_message_id = told.client_message_id;
        let differs = |what| Violation::ContentDiffers { user_id, client_message_id, what };
        let Some(sent) = self.sent.get(&client_message_id) else {
            violations.push(Violation::NeverGiven { user_id, client_message_id });
            return;
        };
        if sent.text != told.text {
            violations.push(differs("the text"));
        }
        if sent.media.len() != told.media {
            violations.push(differs("the list of media"));
        }
        let arrived = self.media.get(&(user_id, client_message_id));
        for sha256 in &sent.media {
            match arrived {
                None => violations.push(Violation::MediumMissing { user_id, client_message_id }),
                Some(arrived) if !arrived.contains(sha256) => violations.push(differs("a medium")),
                Some(_) => {}
            }
        }
    }
}

/// What is told again after a restart stands at the same place.
fn check_once_and_in_order(user_id: UserId, told: &[Told], violations: &mut Vec<Violation>) {
    let mut places = BTreeMap::new();
    let mut messages = HashMap::new();
    for told in told {
        let first = *messages.entry(told.message_id).or_insert(told.position);
        if first != told.position {
            let (message_id, second) = (told.message_id, told.position);
            violations.push(Violation::ToldTwice { user_id, message_id, first, second });
        }
        let (position, second) = (told.position, told.message_id);
        let (first, ..) =
            *places.entry(position).or_insert((second, told.conversation_id, told.seq));
        if first != second {
            violations.push(Violation::ToldInstead { user_id, position, first, second });
        }
    }
    let mut reached = HashMap::new();
    for (_, conversation_id, after) in places.into_values() {
        let before = reached.insert(conversation_id, after);
        if let Some(before) = before.filter(|before| *before >= after) {
            violations.push(Violation::ToldOutOfOrder { user_id, conversation_id, before, after });
        }
    }
}
