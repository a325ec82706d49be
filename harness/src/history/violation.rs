use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, Epoch, InboxSeq, MessageId, UserId,
};

use super::SeenEntry;

/// One way in which a history contradicts a promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// P2: a retry was answered with another message.
    #[error("the send {client_message_id} was answered with {first} and later with {second} (P2)")]
    AnswerChanged {
        /// Which send.
        client_message_id: ClientMessageId,
        /// The first answer's message.
        first: MessageId,
        /// Another answer's.
        second: MessageId,
    },
    /// P1: an acknowledged send is missing.
    #[error("{device_id} never saw the acknowledged message {message_id} (P1)")]
    Lost {
        /// Who lacks it.
        device_id: DeviceId,
        /// Which.
        message_id: MessageId,
    },
    /// Nobody looked into an inbox that is to have acknowledged sends: the history says too little.
    #[error("no device of {user_id} ever received a page: read, then verify")]
    NeverRead {
        /// Whose inbox.
        user_id: UserId,
    },
    /// P2: one send made two messages.
    #[error("the send {client_message_id} stands in an inbox as {first} and as {second} (P2)")]
    SentTwice {
        /// Which send.
        client_message_id: ClientMessageId,
        /// One message.
        first: MessageId,
        /// The other.
        second: MessageId,
    },
    /// P3: one entry has two numbers of the same inbox.
    #[error("{device_id} saw {id} at {first} and again at {second} (P3)")]
    SeenTwice {
        /// Who saw it.
        device_id: DeviceId,
        /// What.
        id: MessageId,
        /// One number.
        first: InboxSeq,
        /// The other.
        second: InboxSeq,
    },
    /// P3: a later send has a lower number.
    #[error(
        "in {conversation_id} {later} has {later_seq} although it was begun after {earlier} was \
         answered with {earlier_seq} (P3)"
    )]
    OrderReversed {
        /// Where.
        conversation_id: ConversationId,
        /// The one that was answered first.
        earlier: MessageId,
        /// Its number.
        earlier_seq: ConversationSeq,
        /// The one that was begun then.
        later: MessageId,
        /// Its number.
        later_seq: ConversationSeq,
    },
    /// P3: the sender was told a number of his inbox that holds something else.
    #[error("{user_id} was told that {message_id} is at {seq}, where {entry:?} is (P3)")]
    AnswerMisplaced {
        /// The sender.
        user_id: UserId,
        /// The number he was told.
        seq: InboxSeq,
        /// What should be there.
        message_id: MessageId,
        /// What is.
        entry: SeenEntry,
    },
    /// P3: two devices saw different entries at one number.
    #[error("the inbox of {user_id} holds {first:?} and {second:?} at {seq} (P3)")]
    InboxDiffers {
        /// Whose inbox.
        user_id: UserId,
        /// Where.
        seq: InboxSeq,
        /// What was seen first.
        first: SeenEntry,
        /// What was seen later.
        second: SeenEntry,
    },
    /// P3: two entries have one number of a conversation, or one entry has two.
    #[error("the conversation {conversation_id} has {first} and {second} at {seq} (P3)")]
    ConversationDiffers {
        /// Where.
        conversation_id: ConversationId,
        /// The number.
        seq: ConversationSeq,
        /// One entry.
        first: MessageId,
        /// The other.
        second: MessageId,
    },
    /// P3: an inbox tells a conversation in another order than its numbers.
    #[error("{device_id} saw {conversation_id} go from {before} to {after} (P3)")]
    ConversationGap {
        /// Who saw it.
        device_id: DeviceId,
        /// Where.
        conversation_id: ConversationId,
        /// One entry's number.
        before: ConversationSeq,
        /// The number of the next entry in the inbox.
        after: ConversationSeq,
    },
    /// P3: a page does not start where the one before ended.
    #[error("{device_id} was at {expected} and received a page that starts at {after} (P3)")]
    PageSkips {
        /// Who asked.
        device_id: DeviceId,
        /// Where the last page ended.
        expected: InboxSeq,
        /// Where this one starts.
        after: InboxSeq,
    },
    /// P3: a page's numbers are not rising, or not between its ends.
    #[error(
        "a page of {device_id} over ({after}, {through}] holds {seq} out of order or place (P3)"
    )]
    PageDisorder {
        /// Who asked.
        device_id: DeviceId,
        /// Where the page starts.
        after: InboxSeq,
        /// Where it ends.
        through: InboxSeq,
        /// What does not belong there.
        seq: InboxSeq,
    },
    /// P3: something appeared at a number that an earlier page had said to be empty.
    #[error("{entry:?} appeared at {seq} of {user_id} after a page had passed it empty (P3)")]
    AppearedLate {
        /// Whose inbox.
        user_id: UserId,
        /// Where.
        seq: InboxSeq,
        /// What.
        entry: SeenEntry,
    },
    /// P1, P4: an app never heard of a message that its sender was told to be sent.
    #[error("the app of {user_id} was never told of {message_id} (P1, P4)")]
    NeverTold {
        /// Whose app.
        user_id: UserId,
        /// Which message.
        message_id: MessageId,
    },
    /// P2: an app was told of a message at two places.
    #[error("the app of {user_id} was told of {message_id} at {first} and again at {second} (P2)")]
    ToldTwice {
        /// Whose app.
        user_id: UserId,
        /// Which message.
        message_id: MessageId,
        /// One place in what the app was told.
        first: u64,
        /// The other.
        second: u64,
    },
    /// P2: an app was told of a message that nobody sent.
    #[error("the app of {user_id} was told of {client_message_id}, which no app was given (P2)")]
    NeverGiven {
        /// Whose app.
        user_id: UserId,
        /// What it calls itself.
        client_message_id: ClientMessageId,
    },
    /// P1: what an app was told again is not what it was told before.
    #[error("the app of {user_id} was told of {first} and then of {second} at {position} (P1)")]
    ToldInstead {
        /// Whose app.
        user_id: UserId,
        /// The place in what the app was told.
        position: u64,
        /// What was told first.
        first: MessageId,
        /// What was told later.
        second: MessageId,
    },
    /// P3: an app was told of a conversation in another order than its numbers.
    #[error("the app of {user_id} was told of {conversation_id}: {after} after {before} (P3)")]
    ToldOutOfOrder {
        /// Whose app.
        user_id: UserId,
        /// Where.
        conversation_id: ConversationId,
        /// The number told first.
        before: ConversationSeq,
        /// The number told next.
        after: ConversationSeq,
    },
    /// P6: what arrived is not what was sent.
    #[error("{what} of {client_message_id} reached {user_id} changed (P6)")]
    ContentDiffers {
        /// Where it arrived.
        user_id: UserId,
        /// Of which message.
        client_message_id: ClientMessageId,
        /// The text, or a medium.
        what: &'static str,
    },
    /// P6: a medium of a message did not arrive.
    #[error("a medium of {client_message_id} never reached {user_id} (P6)")]
    MediumMissing {
        /// Who lacks it.
        user_id: UserId,
        /// Of which message.
        client_message_id: ClientMessageId,
    },
    /// A store that was not restored changed its epoch.
    #[error("the epoch went from {before} to {after} without a restore")]
    EpochChanged {
        /// The first one seen.
        before: Epoch,
        /// A later one.
        after: Epoch,
    },
    /// A device stopped reading before its inbox's end: the history says too little.
    #[error("{device_id} read up to {through} and its inbox goes to {head}: read on, then verify")]
    NotReadToTheEnd {
        /// Who.
        device_id: DeviceId,
        /// Where it stands.
        through: InboxSeq,
        /// The highest head that any device of the user saw.
        head: InboxSeq,
    },
}
