//! Whose turn it is to write to an upload, within this process.
//!
//! What counts is the store's fence. Here the older request learns at once that it was taken over, and a
//! user's requests are counted.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nudge_proto::{MediumId, UserId};
use tokio_util::sync::CancellationToken;

use super::MediaError;
use crate::limits::APPENDS_PER_USER_MAX;

/// The requests that write to uploads.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How many requests each user has.
    counts: HashMap<UserId, usize>,
    /// The newest request of each upload, by its fence.
    newest: HashMap<MediumId, (u64, CancellationToken)>,
}

impl Turns {
    /// Counts one request of the user, until the turn is dropped.
    ///
    /// # Errors
    ///
    /// [`MediaError::TooManyAppends`]
    pub(super) fn enter(&self, owner_id: UserId) -> Result<Turn, MediaError> {
        let mut state = self.state();
        let count = state.counts.entry(owner_id).or_default();
        if *count >= APPENDS_PER_USER_MAX {
            return Err(MediaError::TooManyAppends { limit: APPENDS_PER_USER_MAX });
        }
        *count += 1;
        drop(state);
        Ok(Turn { turns: self.clone(), owner_id, upload: None })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request's turn.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    owner_id: UserId,
    upload: Option<(MediumId, u64)>,
}

impl Turn {
    /// Ends the upload's older request. What is returned is cancelled once a newer one does the same, and
    /// at once when a newer one already did.
    pub(super) fn take_over(&mut self, id: MediumId, fence: u64) -> CancellationToken {
        let token = CancellationToken::new();
        let mut state = self.turns.state();
        match state.newest.entry(id) {
            Entry::Occupied(newest) if newest.get().0 > fence => token.cancel(),
            Entry::Occupied(mut newest) => newest.insert((fence, token.clone())).1.cancel(),
            Entry::Vacant(none) => {
                none.insert((fence, token.clone()));
            }
        }
        drop(state);
        self.upload = Some((id, fence));
        token
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Entry::Occupied(mut count) = state.counts.entry(self.owner_id) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Some((id, fence)) = self.upload
            && state.newest.get(&id).is_some_and(|newest| newest.0 == fence)
        {
            state.newest.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_fence_ends_the_older_request_in_whatever_order_they_come() {
        let (turns, owner, id) = (Turns::default(), UserId::random(), MediumId::random());
        let turn = || turns.enter(owner).unwrap();
        let (mut first, mut second, mut third) = (turn(), turn(), turn());
        let one = first.take_over(id, 1);
        let three = third.take_over(id, 3);
        assert!(one.is_cancelled() && !three.is_cancelled());
        assert!(second.take_over(id, 2).is_cancelled(), "the third was faster");
        assert!(!three.is_cancelled());
        drop((first, second));
        let four = turns.enter(owner).unwrap().take_over(id, 4);
        assert!(three.is_cancelled() && !four.is_cancelled());
        drop(third);
        assert!(turns.state().counts.is_empty() && turns.state().newest.is_empty());
    }

    #[test]
    fn a_user_has_a_limited_number_of_requests_and_others_have_theirs() {
        let (turns, owner) = (Turns::default(), UserId::random());
        let mut taken: Vec<_> =
            (0..APPENDS_PER_USER_MAX).map(|_| turns.enter(owner).unwrap()).collect();
        assert!(matches!(turns.enter(owner), Err(MediaError::TooManyAppends { .. })));
        assert!(turns.enter(UserId::random()).is_ok());
        taken.pop();
        assert!(turns.enter(owner).is_ok());
    }
}
