//! Domain values as every store keeps them: the same words, the same bytes.

use nudge_proto::{ConversationId, ConversationSeq, pb::content as pb};
use prost::Message as _;

use super::{ChangeKind, ConversationKind, KeyPurpose, Receipt, Role, StoreError};

pub(super) const fn kind_word(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "direct",
        ConversationKind::Group => "group",
    }
}

pub(super) fn parse_kind(word: &str) -> Result<ConversationKind, StoreError> {
    match word {
        "direct" => Ok(ConversationKind::Direct),
        "group" => Ok(ConversationKind::Group),
        other => Err(StoreError::Damaged(format!("unknown kind of conversation {other:?}"))),
    }
}

pub(super) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

pub(super) fn parse_role(word: &str) -> Result<Role, StoreError> {
    match word {
        "member" => Ok(Role::Member),
        "admin" => Ok(Role::Admin),
        other => Err(StoreError::Damaged(format!("unknown role {other:?}"))),
    }
}

pub(super) const fn purpose_word(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Ticket => "ticket",
        KeyPurpose::Access => "access",
        KeyPurpose::Refresh => "refresh",
    }
}

/// What of a change is not in the message's own columns.
pub(super) fn encode_change(kind: &ChangeKind) -> Vec<u8> {
    let mut change = pb::Change::default();
    let (kind, user, role, title) = match kind {
        ChangeKind::Created => (pb::ChangeKind::Created, None, None, None),
        ChangeKind::Joined(user, role) => (pb::ChangeKind::Joined, Some(user), Some(role), None),
        ChangeKind::Left(user) => (pb::ChangeKind::Left, Some(user), None, None),
        ChangeKind::Removed(user) => (pb::ChangeKind::Removed, Some(user), None, None),
        ChangeKind::Role(user, role) => (pb::ChangeKind::Role, Some(user), Some(role), None),
        ChangeKind::Title(title) => (pb::ChangeKind::Title, None, None, Some(title)),
    };
    change.set_kind(kind);
    change.user_id = user.map(ToString::to_string);
    change.role = role.map(|role| match role {
        Role::Member => pb::Role::Member.into(),
        Role::Admin => pb::Role::Admin.into(),
    });
    change.title = title.cloned();
    change.encode_to_vec()
}

pub(super) fn decode_change(bytes: &[u8]) -> Result<ChangeKind, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a change with {what}"));
    let change = pb::Change::decode(bytes).map_err(|error| damaged(&error.to_string()))?;
    let user = || {
        let user = change.user_id.as_deref().ok_or_else(|| damaged("no user"))?;
        user.parse().map_err(|_| damaged("a user that is no id"))
    };
    let role = if change.role() == pb::Role::Admin { Role::Admin } else { Role::Member };
    Ok(match change.kind() {
        pb::ChangeKind::Unspecified => return Err(damaged("no kind")),
        pb::ChangeKind::Created => ChangeKind::Created,
        pb::ChangeKind::Joined => ChangeKind::Joined(user()?, role),
        pb::ChangeKind::Left => ChangeKind::Left(user()?),
        pb::ChangeKind::Removed => ChangeKind::Removed(user()?),
        pb::ChangeKind::Role => ChangeKind::Role(user()?, role),
        pb::ChangeKind::Title => ChangeKind::Title(change.title.clone().unwrap_or_default()),
    })
}

/// What a member who just joined need not be told: his own marks.
pub(super) fn receipt_at_joining(own_read: ConversationSeq) -> Vec<u8> {
    pb::Receipt { own_read_seq: own_read.0, ..pb::Receipt::default() }.encode_to_vec()
}

/// A receipt without its conversation, which stands in the row.
pub(super) fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    pb::Receipt {
        conversation_id: String::new(),
        delivered_seq: receipt.delivered.0,
        read_seq: receipt.read.0,
        own_read_seq: receipt.own_read.0,
        newest_own_seq: receipt.newest_own.0,
        delivered_count: receipt.delivered_count,
        read_count: receipt.read_count,
    }
    .encode_to_vec()
}

pub(super) fn decode_receipt(
    conversation_id: ConversationId,
    bytes: &[u8],
) -> Result<Receipt, StoreError> {
    let receipt = pb::Receipt::decode(bytes)
        .map_err(|error| StoreError::Damaged(format!("a receipt: {error}")))?;
    Ok(Receipt {
        conversation_id,
        delivered: ConversationSeq(receipt.delivered_seq),
        read: ConversationSeq(receipt.read_seq),
        own_read: ConversationSeq(receipt.own_read_seq),
        newest_own: ConversationSeq(receipt.newest_own_seq),
        delivered_count: receipt.delivered_count,
        read_count: receipt.read_count,
    })
}

#[cfg(test)]
mod tests {
    use nudge_proto::UserId;

    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_stored() {
        let user = UserId::random();
        for change in [
            ChangeKind::Created,
            ChangeKind::Joined(user, Role::Admin),
            ChangeKind::Joined(user, Role::Member),
            ChangeKind::Left(user),
            ChangeKind::Removed(user),
            ChangeKind::Role(user, Role::Member),
            ChangeKind::Title("Friends".to_owned()),
        ] {
            assert_eq!(decode_change(&encode_change(&change)), Ok(change));
        }
        assert!(matches!(decode_change(&[]), Err(StoreError::Damaged(_))));
        assert!(matches!(decode_change(&[0xff]), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_receipt_is_read_as_it_was_stored() {
        let receipt = Receipt {
            conversation_id: ConversationId::random(),
            delivered: ConversationSeq(5),
            read: ConversationSeq(4),
            own_read: ConversationSeq(6),
            newest_own: ConversationSeq(5),
            delivered_count: 3,
            read_count: 2,
        };
        let stored = encode_receipt(&receipt);
        assert_eq!(decode_receipt(receipt.conversation_id, &stored), Ok(receipt));
        assert!(matches!(
            decode_receipt(receipt.conversation_id, &[0xff]),
            Err(StoreError::Damaged(_))
        ));
    }
}
