use nudge_proto::{ConversationId, ConversationSeq, UserId};

use crate::store::{ConversationKind, MemberMarks, Receipt, UnixMs};

/// A newer receipt supersedes an older one at most this often, in milliseconds.
pub const RECEIPT_INTERVAL_MS: u64 = 1000;
/// Conversations whose receipts one step writes.
pub const SETTLED_AT_ONCE: usize = 16;

/// Whether the next receipts are due. What is due later than one interval from now was noted by a clock that
/// was ahead, and is due.
#[must_use]
pub fn receipts_are_due(next: Option<UnixMs>, now: UnixMs) -> bool {
    next.is_some_and(|next| next <= now || next.0 > now.0 + RECEIPT_INTERVAL_MS)
}

/// A member with everything that receipts are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkedMember {
    /// Who.
    pub user_id: UserId,
    /// Stored on any one of his devices.
    pub delivered: ConversationSeq,
    /// Read.
    pub read: ConversationSeq,
    /// His newest own message that was not refused; 0 for none.
    pub newest_own: ConversationSeq,
}

/// What `owner` is to know of a conversation's marks.
///
/// The others' marks are told only to who has sent something: without own messages they are 0.
#[must_use]
pub fn receipt_for(
    owner: &MarkedMember,
    members: &[MarkedMember],
    conversation_id: ConversationId,
    kind: ConversationKind,
) -> Receipt {
    let mut receipt = Receipt {
        conversation_id,
        delivered: ConversationSeq::ZERO,
        read: ConversationSeq::ZERO,
        own_read: owner.read,
        newest_own: ConversationSeq::ZERO,
        delivered_count: 0,
        read_count: 0,
    };
    let others = || members.iter().filter(|member| member.user_id != owner.user_id);
    if owner.newest_own == ConversationSeq::ZERO || others().next().is_none() {
        return receipt;
    }
    // What is above the newest own message says nothing about own messages.
    let lowest = |mark: fn(&MarkedMember) -> ConversationSeq| {
        others().map(mark).min().unwrap_or_default().min(owner.newest_own)
    };
    receipt.delivered = lowest(|member| member.delivered);
    receipt.read = lowest(|member| member.read);
    if kind == ConversationKind::Group {
        let count = |mark: fn(&MarkedMember) -> ConversationSeq| {
            others().filter(|member| mark(member) >= owner.newest_own).count() as u32
        };
        receipt.newest_own = owner.newest_own;
        receipt.delivered_count = count(|member| member.delivered);
        receipt.read_count = count(|member| member.read);
    }
    receipt
}

/// The marks of a conversation's members as `asking` may see them.
///
/// In a direct conversation the other's marks end at the newest message that reached him: beyond it
/// they would tell of what a block refused.
#[must_use]
pub fn shown_marks(
    asking: UserId,
    members: &[MarkedMember],
    kind: ConversationKind,
) -> Vec<MemberMarks> {
    let own = members.iter().find(|member| member.user_id == asking);
    let end = own.filter(|_| kind == ConversationKind::Direct).map(|own| own.newest_own);
    let show = |member: &MarkedMember| {
        let end = end.filter(|_| member.user_id != asking);
        let shown = |mark: ConversationSeq| end.map_or(mark, |end| mark.min(end));
        MemberMarks {
            user_id: member.user_id,
            delivered: shown(member.delivered),
            read: shown(member.read),
        }
    };
    members.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(delivered: u64, read: u64, newest_own: u64) -> MarkedMember {
        MarkedMember {
            user_id: UserId::random(),
            delivered: ConversationSeq(delivered),
            read: ConversationSeq(read),
            newest_own: ConversationSeq(newest_own),
        }
    }

    #[test]
    fn a_group_waits_for_its_slowest_member() {
        let members = [member(9, 9, 9), member(9, 7, 0), member(8, 2, 0)];
        let receipt =
            receipt_for(&members[0], &members, ConversationId::random(), ConversationKind::Group);
        assert_eq!((receipt.delivered.0, receipt.read.0), (8, 2));
        assert_eq!((receipt.delivered_count, receipt.read_count), (1, 0));
    }

    #[test]
    fn who_sent_nothing_learns_only_his_own_mark() {
        let members = [member(9, 5, 0), member(9, 7, 9)];
        let receipt =
            receipt_for(&members[0], &members, ConversationId::random(), ConversationKind::Direct);
        assert_eq!((receipt.delivered.0, receipt.read.0, receipt.own_read.0), (0, 0, 5));
    }
}
