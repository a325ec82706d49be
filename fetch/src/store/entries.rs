//! What becomes an entry in inboxes, and what its owners are told.

use nudge_proto::{
    ConversationId, ConversationSeq, DeviceId, Epoch, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags},
};

use super::{Moved, UnixMs};

/// What gets an entry in the inboxes of its audience.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) conversation_id: ConversationId,
    pub(super) content: Content,
    pub(super) audience: &'a [UserId],
    /// Whose deed it is, and the device that needs no notice of it.
    pub(super) actor: Option<(UserId, DeviceId)>,
    pub(super) now: UnixMs,
}

/// What an entry shows.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Message(ConversationSeq, MessageId),
    Change(ConversationSeq),
    /// As it is stored.
    Receipt(Vec<u8>),
}

impl Content {
    /// The message's id, for notices.
    pub(super) const fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::Message(_, id) => Some(*id),
            Self::Change(_) | Self::Receipt(_) => None,
        }
    }

    /// The number in the conversation; a receipt has none.
    pub(super) const fn seq(&self) -> Option<ConversationSeq> {
        match self {
            Self::Message(seq, _) | Self::Change(seq) => Some(*seq),
            Self::Receipt(_) => None,
        }
    }

    /// A receipt as it is stored.
    pub(super) const fn receipt(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Receipt(receipt) => Some(receipt),
            Self::Message(..) | Self::Change(_) => None,
        }
    }

    const fn flags(&self) -> NoticeFlags {
        match self {
            Self::Message(..) => NoticeFlags::MESSAGE,
            Self::Change(_) => NoticeFlags::CHANGE,
            Self::Receipt(_) => NoticeFlags::RECEIPT,
        }
    }
}

impl Entry<'_> {
    /// What the owner of an inbox is told once the entry stands in it.
    pub(super) fn moved(&self, user_id: UserId, epoch: Epoch, head: InboxSeq) -> Moved {
        let notice =
            Notice { head, message_id: self.content.message_id(), flags: self.content.flags() };
        let own = self.actor.filter(|(actor, _)| *actor == user_id);
        let except_device_id = own.map(|(_, device)| device);
        Moved { user_id, epoch: Some(epoch), notice, except_device_id, trace: None }
    }
}
