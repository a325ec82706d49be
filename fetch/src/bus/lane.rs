use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

/// One thing for each subject, in the order in which they began to wait, and no more than a limit.
#[derive(Debug)]
pub(super) struct Lane<S, T> {
    things: HashMap<S, T>,
    order: VecDeque<S>,
    limit: usize,
}

impl<S: Copy + Eq + Hash, T> Lane<S, T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { things: HashMap::new(), order: VecDeque::new(), limit }
    }

    /// Adds it, or merges it with what waits for the subject; false when there is no room.
    #[must_use]
    pub(super) fn push(&mut self, subject: S, thing: T, merge: impl FnOnce(&mut T, T)) -> bool {
        let has_room = self.things.len() < self.limit;
        match self.things.entry(subject) {
            Entry::Occupied(mut waiting) => merge(waiting.get_mut(), thing),
            Entry::Vacant(_) if !has_room => return false,
            Entry::Vacant(place) => {
                place.insert(thing);
                self.order.push_back(subject);
            }
        }
        true
    }

    /// Who has waited for longest.
    pub(super) fn first(&self) -> Option<S> {
        self.order.front().copied()
    }

    /// Takes the thing that waited for longest, if `fits` says so.
    pub(super) fn pop_if<R>(&mut self, fits: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        let subject = self.order.front()?;
        let taken = fits(self.things.get(subject)?)?;
        self.things.remove(subject);
        self.order.pop_front();
        self.give_back();
        Some(taken)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes everything away; how much that was.
    pub(super) fn clear(&mut self) -> usize {
        let waited = self.len();
        self.things = HashMap::new();
        self.order = VecDeque::new();
        waited
    }

    /// What an outage made large is given back.
    fn give_back(&mut self) {
        if self.order.is_empty() && self.order.capacity() > KEPT_WHEN_EMPTY {
            self.clear();
        }
    }
}

/// Room that an empty lane keeps.
const KEPT_WHEN_EMPTY: usize = 1024;
