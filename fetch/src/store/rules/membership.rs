//! Who may change who is in a group, and what follows from it.

use nudge_proto::{ConversationSeq, UserId, limits::GROUP_MEMBERS_MAX};

use crate::store::{ChangeKind, ConversationKind, Role, StoreError};

/// A conversation with its present members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Direct or group.
    pub kind: ConversationKind,
    /// In any order.
    pub seats: Vec<Seat>,
}

/// A present member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Who.
    pub user_id: UserId,
    /// What he may do.
    pub role: Role,
    /// Since when.
    pub joined: ConversationSeq,
}

impl Room {
    /// What adding `user` or giving him another role changes, in order; nothing when it is so already.
    ///
    /// `may_join` is whether the user is there and does not block the actor.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Forbidden`], [`StoreError::Invalid`],
    /// [`StoreError::ConversationFull`].
    pub fn put(
        &self,
        actor: UserId,
        user: UserId,
        role: Role,
        may_join: bool,
    ) -> Result<Vec<ChangeKind>, StoreError> {
        if actor == user && self.role_of(user) == Some(role) {
            // He gave his right up before, and the answer was lost.
            return self.check_group().map(|()| Vec::new());
        }
        self.check_admin(actor, "change its members")?;
        match self.role_of(user) {
            Some(present) if present == role => Ok(Vec::new()),
            Some(_) => Ok(self.change_role(user, role)),
            None if !may_join => Err(StoreError::NotFound("user")),
            None if self.seats.len() >= GROUP_MEMBERS_MAX => {
                Err(StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX })
            }
            None => Ok(vec![ChangeKind::Joined(user, role)]),
        }
    }

    /// What removing `user` changes, in order; nothing when he is gone already.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Forbidden`], [`StoreError::Invalid`].
    pub fn remove(&self, actor: UserId, user: UserId) -> Result<Vec<ChangeKind>, StoreError> {
        if actor == user {
            self.role_of(actor).ok_or(StoreError::NotFound("conversation"))?;
            self.check_group()?;
            return Ok(self.depart(user, ChangeKind::Left(user)));
        }
        self.check_admin(actor, "change its members")?;
        match self.role_of(user) {
            Some(_) => Ok(self.depart(user, ChangeKind::Removed(user))),
            None => Ok(Vec::new()),
        }
    }

    /// What another title changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Forbidden`], [`StoreError::Invalid`].
    pub fn rename(&self, actor: UserId, title: &str) -> Result<ChangeKind, StoreError> {
        self.check_admin(actor, "change its title")?;
        Ok(ChangeKind::Title(title.to_owned()))
    }

    /// What the end of `user`'s membership changes: when the last admin goes, who joined first
    /// becomes one.
    #[must_use]
    pub fn depart(&self, user: UserId, change: ChangeKind) -> Vec<ChangeKind> {
        let mut changes = vec![change];
        changes.extend(self.successor(user).map(|next| ChangeKind::Role(next, Role::Admin)));
        changes
    }

    fn change_role(&self, user: UserId, role: Role) -> Vec<ChangeKind> {
        let change = ChangeKind::Role(user, role);
        let others_lead = self.is_led_without(user);
        if role == Role::Admin || others_lead {
            return vec![change];
        }
        // A group is never without an admin: alone, the last one stays one.
        let successor = self.successor(user);
        successor.map_or_else(Vec::new, |next| vec![change, ChangeKind::Role(next, Role::Admin)])
    }

    /// Who has to become an admin once `user` is none any more.
    fn successor(&self, user: UserId) -> Option<UserId> {
        if self.kind == ConversationKind::Direct || self.is_led_without(user) {
            return None;
        }
        let others = self.seats.iter().filter(|seat| seat.user_id != user);
        others.min_by_key(|seat| (seat.joined, seat.user_id)).map(|seat| seat.user_id)
    }

    fn is_led_without(&self, user: UserId) -> bool {
        self.seats.iter().any(|seat| seat.user_id != user && seat.role == Role::Admin)
    }

    fn role_of(&self, user: UserId) -> Option<Role> {
        self.seats.iter().find(|seat| seat.user_id == user).map(|seat| seat.role)
    }

    fn check_group(&self) -> Result<(), StoreError> {
        match self.kind {
            ConversationKind::Group => Ok(()),
            ConversationKind::Direct => Err(StoreError::Invalid(
                "a direct conversation keeps its two members and has no title: make a group"
                    .to_owned(),
            )),
        }
    }

    fn check_admin(&self, actor: UserId, what: &'static str) -> Result<(), StoreError> {
        let role = self.role_of(actor).ok_or(StoreError::NotFound("conversation"))?;
        self.check_group()?;
        if role == Role::Admin { Ok(()) } else { Err(StoreError::Forbidden { what }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(roles: &[Role]) -> (Room, Vec<UserId>) {
        let users: Vec<_> = roles.iter().map(|_| UserId::random()).collect();
        let seat = |(at, role): (usize, &Role)| Seat {
            user_id: users[at],
            role: *role,
            joined: ConversationSeq(at as u64 + 1),
        };
        let seats = roles.iter().enumerate().map(seat).collect();
        (Room { kind: ConversationKind::Group, seats }, users)
    }

    #[test]
    fn the_last_admin_leaving_promotes_who_joined_first() {
        let (room, users) = room(&[Role::Member, Role::Admin, Role::Member]);
        assert_eq!(
            room.remove(users[1], users[1]),
            Ok(vec![ChangeKind::Left(users[1]), ChangeKind::Role(users[0], Role::Admin)])
        );
    }

    #[test]
    fn another_admin_makes_a_promotion_needless() {
        let (room, users) = room(&[Role::Admin, Role::Admin, Role::Member]);
        assert_eq!(room.remove(users[0], users[0]), Ok(vec![ChangeKind::Left(users[0])]));
    }

    #[test]
    fn the_last_admin_hands_over_and_alone_stays_admin() {
        let (two, users) = room(&[Role::Admin, Role::Member]);
        assert_eq!(
            two.put(users[0], users[0], Role::Member, true),
            Ok(vec![
                ChangeKind::Role(users[0], Role::Member),
                ChangeKind::Role(users[1], Role::Admin)
            ])
        );
        let (alone, users) = room(&[Role::Admin]);
        assert_eq!(alone.put(users[0], users[0], Role::Member, true), Ok(Vec::new()));
    }

    #[test]
    fn a_member_changes_nobody_but_himself() {
        let (room, users) = room(&[Role::Admin, Role::Member]);
        assert!(matches!(room.remove(users[1], users[0]), Err(StoreError::Forbidden { .. })));
        let stranger = UserId::random();
        assert_eq!(
            room.remove(stranger, users[1]),
            Err(StoreError::NotFound("conversation")),
            "to a stranger there is no such conversation"
        );
    }
}
