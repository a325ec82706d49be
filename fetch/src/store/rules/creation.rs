//! What is asked for in a new conversation or account, and whether it was asked for before.

use nudge_proto::{ConversationId, RequestId, UserId, limits::GROUP_MEMBERS_MAX};

use super::group_digest;
use crate::store::{NewAccount, NewConversation, StoreError};

/// An account that has the handle already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleOwner {
    /// The id of his registration.
    pub request_id: Option<RequestId>,
    /// Whether he is gone.
    pub deleted: bool,
}

/// Whether somebody who has the handle is the account that `new` asks for, made before.
///
/// # Errors
///
/// [`StoreError::HandleTaken`] when he is another.
pub fn judge_handle(new: &NewAccount, owner: &HandleOwner) -> Result<(), StoreError> {
    if owner.request_id == Some(new.request_id) && !owner.deleted {
        Ok(())
    } else {
        Err(StoreError::HandleTaken(new.handle.clone()))
    }
}

/// The other member of a new direct conversation.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub fn direct_other(new: &NewConversation) -> Result<UserId, StoreError> {
    let invalid = |what: &str| Err(StoreError::Invalid(what.to_owned()));
    match *new.members.as_slice() {
        [other] if other == new.creator.0 => {
            invalid("a direct conversation needs another user than yourself")
        }
        [other] => Ok(other),
        _ => invalid("a direct conversation has exactly one other member"),
    }
}

/// The members of a new group besides its creator, by id and without doubles.
///
/// # Errors
///
/// [`StoreError::ConversationFull`].
pub fn group_others(new: &NewConversation) -> Result<Vec<UserId>, StoreError> {
    let mut members = new.members.clone();
    members.retain(|member| *member != new.creator.0);
    members.sort_unstable();
    members.dedup();
    if members.len() + 1 > GROUP_MEMBERS_MAX {
        return Err(StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX });
    }
    Ok(members)
}

/// Whether the group that was made under the same client-made id was asked for in the same words.
///
/// # Errors
///
/// [`StoreError::IdempotencyConflict`].
pub fn judge_group_retry(
    new: &NewConversation,
    request_id: RequestId,
    (made, digest): (ConversationId, [u8; 32]),
) -> Result<ConversationId, StoreError> {
    if digest == group_digest(new) {
        Ok(made)
    } else {
        Err(StoreError::IdempotencyConflict(request_id.uuid()))
    }
}

#[cfg(test)]
mod tests {
    use nudge_proto::DeviceId;

    use super::*;
    use crate::store::{ConversationKind, UnixMs};

    fn new(members: Vec<UserId>) -> NewConversation {
        NewConversation {
            id: ConversationId::random(),
            creator: (UserId::random(), DeviceId::random()),
            request_id: Some(RequestId::random()),
            kind: ConversationKind::Group,
            members,
            title: "friends".to_owned(),
            now: UnixMs(1),
        }
    }

    #[test]
    fn a_direct_conversation_has_one_other() {
        let bob = UserId::random();
        assert_eq!(direct_other(&new(vec![bob])), Ok(bob));
        assert!(matches!(direct_other(&new(vec![])), Err(StoreError::Invalid(_))));
        assert!(matches!(direct_other(&new(vec![bob, bob])), Err(StoreError::Invalid(_))));
        let mut alone = new(vec![bob]);
        alone.creator.0 = bob;
        assert!(matches!(direct_other(&alone), Err(StoreError::Invalid(_))));
    }

    #[test]
    fn a_groups_members_count_once_and_its_creator_with_them() {
        let bob = UserId::random();
        let mut group = new(vec![bob, bob]);
        group.members.push(group.creator.0);
        assert_eq!(group_others(&group), Ok(vec![bob]));
        let full: Vec<_> = (1..GROUP_MEMBERS_MAX).map(|_| UserId::random()).collect();
        assert!(group_others(&new(full.clone())).is_ok());
        let more = [full, vec![bob]].concat();
        let limit = GROUP_MEMBERS_MAX;
        assert_eq!(group_others(&new(more)), Err(StoreError::ConversationFull { limit }));
    }
}
