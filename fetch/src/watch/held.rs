//! Who is held by which stream.

use std::{
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    sync::Arc,
};

use nudge_proto::{
    CloseCode, DeviceId, Epoch, InboxSeq, UserId,
    frame::Notice,
    watch::{Down, Hold, Known, SessionKey},
};

use super::stream::DownQueue;
use crate::{
    bus::Connection,
    store::{DeviceState, Point},
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

/// A session as the operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// The stream of the signal node that holds it.
    pub stream: u64,
    /// The highest head told.
    pub head: InboxSeq,
}

/// Some of the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsPage {
    /// By user id.
    pub sessions: Vec<SessionView>,
    /// Whether there are others behind.
    pub more: bool,
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
    instance: u64,
    attempt: u32,
    came: Came,
    /// The newest point that was known when it came.
    floor: Point,
    /// Its own, once it has one.
    point: Option<Point>,
}

/// When a session came to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// With its hello.
    Now,
    /// Nobody knows how long after it: its signal node had no watch, or another one.
    Late,
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
        if let Some(point) = new.point {
            self.learn(point);
        }
        if new.came == Came::Now {
            new.floor = self.newest;
        }
        let user = self
            .users
            .entry(user_id)
            .or_insert_with(|| HeldUser { head: InboxSeq::ZERO, sessions: Vec::with_capacity(1) });
        let is_same_device = |session: &&HeldSession| session.device_id == new.device_id;
        let newer =
            user.sessions.iter().filter(is_same_device).find(|session| session.is_newer_than(&new));
        if let Some(newer) = newer {
            return Err(NotHeld::Older(new.code_when_displaced_by(newer.instance)));
        }
        user.sessions.retain(|session| {
            let stays = session.device_id != new.device_id || !new.takes_over_from(session);
            if !stays {
                // The same connection on another stream of its node is not told that it has gone.
                if !session.is_same_as(&new) || session.key != new.key {
                    session
                        .down
                        .displace(session.key, session.code_when_displaced_by(new.instance));
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
        session.point.get_or_insert(point);
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
            if session.is_older_than(elsewhere) {
                self.remove(session.stream, session.key);
                let code = session.code_when_displaced_by(elsewhere.instance);
                session.down.displace(session.key, code);
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

    /// Tells a user's sessions that his inbox moved; true when there is one that needs to know.
    pub(super) fn tell_head(
        &mut self,
        user_id: UserId,
        notice: Notice,
        except: Option<DeviceId>,
    ) -> bool {
        let Some(user) = self.users.get_mut(&user_id) else { return false };
        user.head = user.head.max(notice.head);
        user.push_head(user_id, notice, except, None);
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
            user.push_head(user_id, notice, None, knows);
        }
    }

    /// A user's sessions, for the operator.
    pub(super) fn views_of(&self, user_id: UserId) -> SessionsPage {
        let mut page = SessionsPage::default();
        page.sessions
            .extend(self.users.get(&user_id).into_iter().flat_map(|user| user.views(user_id)));
        page
    }

    /// Sessions by user id, for the operator: it looks at every user that is held.
    pub(super) fn page(&self, after: Option<UserId>, limit: usize) -> SessionsPage {
        let mut nearest = BinaryHeap::with_capacity(limit + 1);
        let behind =
            self.users.keys().filter(|user_id| after.is_none_or(|after| **user_id > after));
        let mut more = false;
        for user_id in behind {
            nearest.push(*user_id);
            if nearest.len() > limit {
                nearest.pop();
                more = true;
            }
        }
        let mut page = SessionsPage::default();
        for user_id in nearest.into_sorted_vec() {
            if page.sessions.len() >= limit {
                more = true;
                break;
            }
            page.sessions.extend(self.views_of(user_id).sessions);
        }
        page.more = more;
        page
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

    pub(super) fn len(&self) -> usize {
        self.streams.values().map(HashMap::len).sum()
    }
}

impl HeldUser {
    fn views(&self, user_id: UserId) -> impl Iterator<Item = SessionView> {
        let view = move |session: &HeldSession| SessionView {
            user_id,
            device_id: session.device_id,
            stream: session.stream,
            head: self.head,
        };
        self.sessions.iter().map(view)
    }

    fn push_head(
        &self,
        user_id: UserId,
        notice: Notice,
        except: Option<DeviceId>,
        knows: Option<(StreamId, SessionKey)>,
    ) {
        for session in &self.sessions {
            if Some((session.stream, session.key)) != knows {
                session.down.push_head(user_id, notice, except);
            }
        }
    }
}

impl HeldSession {
    pub(super) fn new(stream: StreamId, down: Arc<DownQueue>, hold: &Hold) -> Self {
        let point = |known: Known| Point { epoch: known.epoch, generation: known.generation };
        let is_late = hold.late || hold.known.is_some();
        Self {
            stream,
            down,
            key: hold.session,
            device_id: hold.device_id,
            instance: hold.instance,
            attempt: hold.attempt,
            came: if is_late { Came::Late } else { Came::Now },
            floor: Point::default(),
            point: hold.known.map(point),
        }
    }

    /// Whether it is the same connection.
    fn is_same_as(&self, other: &Self) -> bool {
        let run = |session: &Self| (session.device_id, session.instance, session.attempt);
        run(self) == run(other)
    }

    /// Whether `new`, which comes now, is older for certain.
    fn is_newer_than(&self, new: &Self) -> bool {
        if self.instance == new.instance {
            return self.attempt > new.attempt;
        }
        new.point.is_some_and(|point| point <= self.floor)
    }

    /// Whether a session of its device that is here already makes room for it.
    fn takes_over_from(&self, here: &Self) -> bool {
        if self.instance == here.instance {
            return self.attempt >= here.attempt;
        }
        // All that is here came before what comes now.
        self.came == Came::Now
    }

    fn is_older_than(&self, elsewhere: &Connection) -> bool {
        if self.instance == elsewhere.instance {
            return self.attempt < elsewhere.attempt;
        }
        self.point.is_some_and(|point| point <= elsewhere.floor)
    }

    /// The session as other nodes know it, once it has its point.
    pub(super) fn connection(&self, user_id: UserId) -> Option<Connection> {
        let Self { device_id, instance, attempt, floor, point, .. } = *self;
        point.map(|point| Connection { user_id, device_id, instance, attempt, floor, point })
    }

    const fn code_when_displaced_by(&self, instance: u64) -> CloseCode {
        if self.instance == instance { CloseCode::Superseded } else { CloseCode::Replaced }
    }
}

fn forget_key(streams: &mut HashMap<StreamId, HashMap<SessionKey, UserId>>, session: &HeldSession) {
    if let Some(keys) = streams.get_mut(&session.stream) {
        keys.remove(&session.key);
    }
}

#[cfg(test)]
mod tests;
