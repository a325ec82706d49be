//! Receipts that say something new.

use nudge_proto::{ConversationId, UserId};

use super::{
    ConversationKind, UnixMs,
    entries::{Content, Entry},
    rules::{MarkedMember, receipt_for},
    stored::encode_receipt,
};

/// A member, and what he was told last.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) conversation_id: ConversationId,
    pub(super) kind: ConversationKind,
    pub(super) member: MarkedMember,
    /// The newest receipt in his inbox, as it is stored.
    pub(super) receipt: Vec<u8>,
}

/// A receipt that says something new to one member.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) conversation_id: ConversationId,
    pub(super) user_id: UserId,
    /// As it is stored.
    pub(super) receipt: Vec<u8>,
}

impl News {
    pub(super) fn entry(&self, now: UnixMs) -> Entry<'_> {
        Entry {
            conversation_id: self.conversation_id,
            content: Content::Receipt(self.receipt.clone()),
            audience: std::slice::from_ref(&self.user_id),
            actor: None,
            now,
        }
    }
}

/// What is new to whom. `told` has every member of its conversations, those of each in one piece.
pub(super) fn news(told: &[Told]) -> Vec<News> {
    let mut news = Vec::new();
    for conversation in told.chunk_by(|one, next| one.conversation_id == next.conversation_id) {
        let members: Vec<_> = conversation.iter().map(|told| told.member).collect();
        for Told { conversation_id, kind, member, receipt: last } in conversation {
            let receipt = encode_receipt(&receipt_for(member, &members, *conversation_id, *kind));
            if receipt != *last {
                let (conversation_id, user_id) = (*conversation_id, member.user_id);
                news.push(News { conversation_id, user_id, receipt });
            }
        }
    }
    news
}
