//! Who is held by which stream.

mod order;
mod views;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use nudge_proto::{
    CloseCode, DeviceId, Epoch, InboxSeq, UserId,
    frame::Notice,
    watch::{Down, Hold, SessionKey},
};

use self::order::Arrival;
pub use self::views::{SessionView, SessionsPage};
use super::stream::{DownQueue, Head};
use crate::{
    bus::Connection,
    store::{DeviceState, Moved, Point},
};

/// Every held session, by user.
///
/// A device has one, as far as its connections' order is certain: an older one is displaced by a newer
/// one, and of two that came at the same time to different nodes both stay. A notice too many does no
/// harm, and the one whose program is gone ends by itself; to close the wrong one would be for good.
#[derive(Debug, Default)]
pub(super) struct Held {
    users: HashMap<UserId, HeldUser>,
    /// Whose session a stream's key names.
    streams: HashMap<StreamId, HashMap<SessionKey, UserId>>,
    /// The newest point known here: whoever has it or an earlier one was there before whoever comes now.
    newest: Point,
    /// The store's newest epoch known here, if any is: heads of another are not told.
    epoch: Option<Epoch>,
}

/// Names a stream within this node.
pub(super) type StreamId = u64;

#[derive(Debug)]
struct HeldUser {
    /// The highest head told.
    head: InboxSeq,
    sessions: Vec<HeldSession>,
}

#[derive(Clone, Debug)]
pub(super) struct HeldSession {
    pub(super) stream: StreamId,
    pub(super) down: Arc<DownQueue>,
    pub(super) key: SessionKey,
    pub(super) device_id: DeviceId,
    arrival: Arrival,
}

/// Why a session is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotHeld {
    /// One that is held is newer.
    Older(CloseCode),
    /// The stream has another session under this key: its node does not keep to the watch.
    KeyInUse,
}

impl Held {
    /// Takes a session in, and tells the ones it displaces.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] says why it is not.
    pub(super) fn insert(&mut self, user_id: UserId, mut new: HeldSession) -> Result<(), NotHeld> {
        if self.session(new.stream, new.key).is_some_and(|session| !session.is_same_as(&new)) {
            return Err(NotHeld::KeyInUse);
        }
        if let Some(point) = new.arrival.point() {
            self.learn(point);
        }
        new.arrival.come(self.newest);
        let user = self
            .users
            .entry(user_id)
            .or_insert_with(|| HeldUser { head: InboxSeq::ZERO, sessions: Vec::with_capacity(1) });
        let is_same_device = |session: &&HeldSession| session.device_id == new.device_id;
        let newer = user
            .sessions
            .iter()
            .filter(is_same_device)
            .find(|session| session.arrival.is_newer_than(&new.arrival));
        if let Some(newer) = newer {
            let code = new.arrival.code_when_displaced_by(newer.arrival.instance());
            return Err(NotHeld::Older(code));
        }
        user.sessions.retain(|session| {
            let stays = session.device_id != new.device_id
                || !new.arrival.takes_over_from(&session.arrival);
            if !stays {
                // The same connection on another stream of its node is not told that it has gone.
                if !session.is_same_as(&new) || session.key != new.key {
                    session.displace_for(new.arrival.instance());
                }
                forget_key(&mut self.streams, session);
            }
            stays
        });
        self.streams.entry(new.stream).or_default().insert(new.key, user_id);
        user.sessions.push(new);
        Ok(())
    }

    /// A session that is still held stands from now on: the others hear of the connection.
    pub(super) fn settle(
        &mut self,
        stream: StreamId,
        key: SessionKey,
        point: Point,
    ) -> Option<Connection> {
        self.learn(point);
        let user_id = *self.streams.get(&stream)?.get(&key)?;
        let sessions = &mut self.users.get_mut(&user_id)?.sessions;
        let session =
            sessions.iter_mut().find(|session| (session.stream, session.key) == (stream, key))?;
        session.arrival.settle(point);
        session.connection(user_id)
    }

    /// A point that somebody was given: whoever comes from now on is newer.
    pub(super) fn learn(&mut self, point: Point) {
        self.newest = self.newest.max(point);
    }

    /// Whether the store's epoch is newer than the one that was known: then heads are compared with nothing that
    /// was told before.
    pub(super) fn learn_epoch(&mut self, epoch: Epoch) -> bool {
        if self.epoch >= Some(epoch) {
            return false;
        }
        self.users.values_mut().for_each(|user| user.head = InboxSeq::ZERO);
        self.epoch.replace(epoch).is_some()
    }

    /// The epoch that is newer than this one, if one is known.
    pub(super) fn newer_epoch(&self, than: Epoch) -> Option<Epoch> {
        self.epoch.filter(|epoch| *epoch > than)
    }

    /// Displaces the sessions of a device that are older than its connection elsewhere; returns one that is
    /// newer than that.
    pub(super) fn meet(&mut self, elsewhere: &Connection) -> Option<Connection> {
        self.learn(elsewhere.point);
        let user_id = elsewhere.user_id;
        let is_same_device = |session: &&HeldSession| session.device_id == elsewhere.device_id;
        let here: Vec<_> = self.sessions(user_id).iter().filter(is_same_device).cloned().collect();
        let mut newer = None;
        for session in here {
            if session.arrival.is_older_than(elsewhere) {
                self.remove(session.stream, session.key);
                session.displace_for(elsewhere.instance);
                continue;
            }
            let connection = session.connection(user_id);
            newer = newer.or(connection.filter(|here| here.is_newer_than(elsewhere)));
        }
        newer
    }

    /// Lets a session go, if it is still held under this key.
    pub(super) fn remove(&mut self, stream: StreamId, key: SessionKey) {
        let keys = self.streams.get_mut(&stream);
        let Some(user_id) = keys.and_then(|keys| keys.remove(&key)) else {
            return;
        };
        self.remove_from(user_id, stream, key);
    }

    fn remove_from(&mut self, user_id: UserId, stream: StreamId, key: SessionKey) {
        if let Entry::Occupied(mut user) = self.users.entry(user_id) {
            user.get_mut()
                .sessions
                .retain(|session| (session.stream, session.key) != (stream, key));
            if user.get().sessions.is_empty() {
                user.remove();
            }
        }
    }

    /// Lets every session of a stream go.
    pub(super) fn remove_stream(&mut self, stream: StreamId) {
        for (key, user_id) in self.streams.remove(&stream).unwrap_or_default() {
            self.remove_from(user_id, stream, key);
        }
    }

    /// Lets a device's session go, or all of the user's, and tells their streams.
    pub(super) fn revoke(&mut self, user_id: UserId, device_id: Option<DeviceId>) {
        for session in self.let_go(user_id, device_id) {
            session.down.push(Down::Revoked { user_id, device_id: Some(session.device_id) });
        }
    }

    /// Ends a device's session, or all of the user's; they may come back.
    pub(super) fn kick(&mut self, user_id: UserId, device_id: Option<DeviceId>) {
        for session in self.let_go(user_id, device_id) {
            session.down.displace(session.key, CloseCode::Kicked);
        }
    }

    fn let_go(&mut self, user_id: UserId, device_id: Option<DeviceId>) -> Vec<HeldSession> {
        let of_device = |session: &&HeldSession| {
            device_id.is_none_or(|device_id| device_id == session.device_id)
        };
        let gone: Vec<_> = self.sessions(user_id).iter().filter(of_device).cloned().collect();
        for session in &gone {
            self.remove(session.stream, session.key);
        }
        gone
    }

    /// Whether the session is still held under this key.
    pub(super) fn holds(&self, stream: StreamId, key: SessionKey) -> bool {
        self.streams.get(&stream).is_some_and(|keys| keys.contains_key(&key))
    }

    fn session(&self, stream: StreamId, key: SessionKey) -> Option<&HeldSession> {
        let user_id = self.streams.get(&stream)?.get(&key)?;
        let sessions = self.sessions(*user_id);
        sessions.iter().find(|session| (session.stream, session.key) == (stream, key))
    }

    /// The sessions of a user.
    pub(super) fn sessions(&self, user_id: UserId) -> &[HeldSession] {
        self.users.get(&user_id).map_or(&[], |user| &user.sessions)
    }

    /// Tells a user's sessions that his inbox moved, unless that was in an epoch that is over; true when there is
    /// one that needs to know.
    pub(super) fn tell_head(&mut self, moved: &Moved) -> bool {
        let Moved { user_id, epoch, notice, except_device_id: except, trace } = *moved;
        if epoch.is_some_and(|epoch| self.newer_epoch(epoch).is_some()) {
            return false;
        }
        let Some(user) = self.users.get_mut(&user_id) else { return false };
        user.head = user.head.max(notice.head);
        user.push_head(user_id, (notice, except, trace), None);
        user.sessions.iter().any(|session| Some(session.device_id) != except)
    }

    /// Tells a user's sessions what the store says, if it is news and of its newest epoch; `knows` was told already.
    pub(super) fn tell_state(
        &mut self,
        user_id: UserId,
        state: &DeviceState,
        knows: Option<(StreamId, SessionKey)>,
    ) {
        if self.newer_epoch(state.epoch).is_none()
            && let Some(user) = self.users.get_mut(&user_id)
            && state.head > user.head
        {
            let message_id = state.newest_message;
            let notice = Notice { head: state.head, message_id, ..Notice::default() };
            user.head = state.head;
            user.push_head(user_id, (notice, None, None), knows);
        }
    }

    /// Every held device.
    pub(super) fn devices(&self) -> Vec<(UserId, DeviceId)> {
        let users = self.users.iter();
        users
            .flat_map(|(user_id, user)| {
                user.sessions.iter().map(|session| (*user_id, session.device_id))
            })
            .collect()
    }

    /// How many sessions a stream holds.
    pub(super) fn sessions_on(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, HashMap::len)
    }

    pub(super) fn len(&self) -> usize {
        self.streams.values().map(HashMap::len).sum()
    }
}

impl HeldUser {
    fn push_head(&self, user_id: UserId, head: Head, knows: Option<(StreamId, SessionKey)>) {
        for session in &self.sessions {
            if Some((session.stream, session.key)) != knows {
                session.down.push_head(user_id, head);
            }
        }
    }
}

impl HeldSession {
    pub(super) fn new(stream: StreamId, down: Arc<DownQueue>, hold: &Hold) -> Self {
        let (key, device_id, arrival) = (hold.session, hold.device_id, Arrival::new(hold));
        Self { stream, down, key, device_id, arrival }
    }

    /// Whether it is the same connection.
    fn is_same_as(&self, other: &Self) -> bool {
        self.device_id == other.device_id && self.arrival.is_same_as(&other.arrival)
    }

    /// Tells its node that a connection of this run has taken its place.
    fn displace_for(&self, instance: u64) {
        self.down.displace(self.key, self.arrival.code_when_displaced_by(instance));
    }

    fn connection(&self, user_id: UserId) -> Option<Connection> {
        self.arrival.connection(user_id, self.device_id)
    }
}

fn forget_key(streams: &mut HashMap<StreamId, HashMap<SessionKey, UserId>>, session: &HeldSession) {
    if let Some(keys) = streams.get_mut(&session.stream) {
        keys.remove(&session.key);
    }
}

#[cfg(test)]
mod tests;
