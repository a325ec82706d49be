//! Who is connected to this node.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashTable;
use nudge_proto::{UserId, watch::SessionKey};
use parking_lot::Mutex;

use crate::seat::Seat;

/// All connections by session key, and those that said hello by user.
///
/// The tables hold nothing but pointers (keys and ids are read from the seats), and each is cut into
/// shards with a lock of their own.
#[derive(Debug)]
pub(crate) struct Registry {
    hasher: RandomState,
    next_key: AtomicU64,
    by_key: Box<[Shard]>,
    by_user: Box<[Shard]>,
}

type Shard = Mutex<HashTable<Arc<Seat>>>;

/// The user has as many connections as allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserIsFull;

const SHARDS: usize = 64;

impl Registry {
    pub(crate) fn new() -> Self {
        let shards = || (0..SHARDS).map(|_| Shard::default()).collect();
        Self {
            hasher: RandomState::new(),
            next_key: AtomicU64::new(1),
            by_key: shards(),
            by_user: shards(),
        }
    }

    /// A seat for a connection that was just accepted.
    pub(crate) fn seat(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat::new(self.next_key.fetch_add(1, Ordering::Relaxed)));
        let hash = self.hash_of_key(seat.key());
        let mut shard = shard(&self.by_key, hash).lock();
        shard.insert_unique(hash, Arc::clone(&seat), |seat| self.hash_of_key(seat.key()));
        seat
    }

    /// Makes an identified seat reachable by its user, who may have `limit` of them.
    pub(crate) fn join(&self, seat: &Arc<Seat>, limit: usize) -> Result<(), UserIsFull> {
        let Some(user_id) = user_of(seat) else { return Ok(()) };
        let hash = self.hash_of_user(Some(user_id));
        let mut shard = shard(&self.by_user, hash).lock();
        let others = shard.iter_hash(hash).filter(|other| user_of(other) == Some(user_id));
        if others.count() >= limit {
            return Err(UserIsFull);
        }
        shard.insert_unique(hash, Arc::clone(seat), |seat| self.hash_of_user(user_of(seat)));
        Ok(())
    }

    /// Removes exactly this seat; another one of the same device stays.
    pub(crate) fn remove(&self, seat: &Arc<Seat>) {
        let is_it = |other: &Arc<Seat>| Arc::ptr_eq(other, seat);
        if let Some(user_id) = user_of(seat) {
            let hash = self.hash_of_user(Some(user_id));
            remove(&mut shard(&self.by_user, hash).lock(), hash, is_it, |seat| {
                self.hash_of_user(user_of(seat))
            });
        }
        let hash = self.hash_of_key(seat.key());
        remove(&mut shard(&self.by_key, hash).lock(), hash, is_it, |seat| {
            self.hash_of_key(seat.key())
        });
    }

    /// The connection with this key, if it is still there.
    pub(crate) fn by_key(&self, key: SessionKey) -> Option<Arc<Seat>> {
        let hash = self.hash_of_key(key);
        shard(&self.by_key, hash).lock().find(hash, |seat| seat.key() == key).cloned()
    }

    /// Calls `each` for every session of the user, with a lock held: it must not come back here.
    pub(crate) fn for_user(&self, user_id: UserId, mut each: impl FnMut(&Seat)) {
        let hash = self.hash_of_user(Some(user_id));
        let shard = shard(&self.by_user, hash).lock();
        shard.iter_hash(hash).filter(|seat| user_of(seat) == Some(user_id)).for_each(|seat| {
            each(seat);
        });
    }

    /// Calls `each` for every connection, with a lock held: it must not come back here.
    pub(crate) fn for_all(&self, each: impl FnMut(&Arc<Seat>)) {
        for_shards(&self.by_key, each);
    }

    /// Calls `each` for every session, with a lock held: it must not come back here.
    pub(crate) fn for_sessions(&self, each: impl FnMut(&Arc<Seat>)) {
        for_shards(&self.by_user, each);
    }

    fn hash_of_user(&self, user_id: Option<UserId>) -> u64 {
        self.hasher.hash_one(user_id)
    }

    fn hash_of_key(&self, key: SessionKey) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn user_of(seat: &Arc<Seat>) -> Option<UserId> {
    seat.identity().map(|identity| identity.user_id)
}

fn shard(shards: &[Shard], hash: u64) -> &Shard {
    // The table uses the hash's low bits for the place and its highest seven as a tag.
    &shards[(hash >> 48) as usize % SHARDS]
}

fn remove(
    table: &mut HashTable<Arc<Seat>>,
    hash: u64,
    is_it: impl FnMut(&Arc<Seat>) -> bool,
    hash_of: impl Fn(&Arc<Seat>) -> u64,
) {
    if let Ok(entry) = table.find_entry(hash, is_it) {
        entry.remove();
    }
    // A table that held a crowd gives the room back, a quarter full at most so that it happens rarely.
    if table.capacity() > SHRINK_ABOVE && table.len() < table.capacity() / 4 {
        table.shrink_to(table.len() * 2, hash_of);
    }
}

fn for_shards(shards: &[Shard], mut each: impl FnMut(&Arc<Seat>)) {
    for shard in shards {
        shard.lock().iter().for_each(&mut each);
    }
}

/// Tables below this many entries are not shrunk.
const SHRINK_ABOVE: usize = 64;
