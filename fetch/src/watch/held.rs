//! Who is held by which stream.

use std::{
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    sync::Arc,
};

use nudge_proto::{
    CloseCode, DeviceId, InboxSeq, UserId,
    frame::Notice,
    watch::{Down, Generation, Hold, SessionKey},
};

use super::stream::DownQueue;
use crate::{bus::Connection, store::DeviceState};

/// Every held session, by user.
#[derive(Debug, Default)]
pub(super) struct Held {
    users: HashMap<UserId, HeldUser>,
    /// Whose session a stream's key names.
    keys: HashMap<(StreamId, SessionKey), UserId>,
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
    pub(super) instance: u64,
    pub(super) attempt: u32,
    pub(super) generation: Generation,
}

impl Held {
    /// Takes a session in, and tells the ones it displaces.
    ///
    /// # Errors
    ///
    /// The code to refuse it with, when the one that is held is newer.
    pub(super) fn insert(&mut self, user_id: UserId, new: HeldSession) -> Result<(), CloseCode> {
        let user = self
            .users
            .entry(user_id)
            .or_insert_with(|| HeldUser { head: InboxSeq::ZERO, sessions: Vec::with_capacity(1) });
        let is_same_device = |session: &&HeldSession| session.device_id == new.device_id;
        if user.sessions.iter().filter(is_same_device).any(|session| session.is_newer_than(&new)) {
            return Err(CloseCode::Superseded);
        }
        user.sessions.retain(|session| {
            let stays = session.device_id != new.device_id;
            if !stays {
                session.down.displace(session.key, session.code_when_displaced_by(new.instance));
                self.keys.remove(&(session.stream, session.key));
            }
            stays
        });
        self.keys.insert((new.stream, new.key), user_id);
        user.sessions.push(new);
        Ok(())
    }

    /// Displaces the session of a device that is older than its connection elsewhere; returns the one that
    /// is newer than that.
    pub(super) fn meet(&mut self, elsewhere: &Connection) -> Option<Connection> {
        let user_id = elsewhere.user_id;
        let is_same_device = |session: &&HeldSession| session.device_id == elsewhere.device_id;
        // There is one at most.
        let session = self.sessions(user_id).iter().find(is_same_device)?.clone();
        let here = session.connection(user_id);
        if elsewhere.is_newer_than(&here) {
            self.remove(session.stream, session.key);
            session.down.displace(session.key, session.code_when_displaced_by(elsewhere.instance));
        }
        here.is_newer_than(elsewhere).then_some(here)
    }

    /// Lets a session go, if it is still held under this key.
    pub(super) fn remove(&mut self, stream: StreamId, key: SessionKey) {
        let Some(user_id) = self.keys.remove(&(stream, key)) else {
            return;
        };
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
        let keys: Vec<_> = self.keys.keys().filter(|(of, _)| *of == stream).copied().collect();
        for (stream, key) in keys {
            self.remove(stream, key);
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
        self.keys.contains_key(&(stream, key))
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

    /// Tells a user's sessions what the store says, if it is news; `knows` was told already.
    pub(super) fn tell_state(
        &mut self,
        user_id: UserId,
        state: &DeviceState,
        knows: Option<(StreamId, SessionKey)>,
    ) {
        if let Some(user) = self.users.get_mut(&user_id)
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
        self.keys.len()
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
    pub(super) fn new(
        stream: StreamId,
        down: Arc<DownQueue>,
        hold: &Hold,
        generation: Generation,
    ) -> Self {
        Self {
            stream,
            down,
            key: hold.session,
            device_id: hold.device_id,
            instance: hold.instance,
            attempt: hold.attempt,
            generation,
        }
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        let is_same_run = self.instance == other.instance;
        // The same connection held again by a new stream is not newer than itself.
        (is_same_run && self.attempt > other.attempt)
            || (!is_same_run && self.generation > other.generation)
    }

    /// The session as other nodes know it.
    pub(super) const fn connection(&self, user_id: UserId) -> Connection {
        let Self { device_id, instance, attempt, generation, .. } = *self;
        Connection { user_id, device_id, instance, attempt, generation }
    }

    const fn code_when_displaced_by(&self, instance: u64) -> CloseCode {
        if self.instance == instance { CloseCode::Superseded } else { CloseCode::Replaced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(key: SessionKey, device: DeviceId, instance: u64, attempt: u32) -> HeldSession {
        HeldSession {
            stream: 1,
            down: Arc::default(),
            key,
            device_id: device,
            instance,
            attempt,
            generation: Generation(key),
        }
    }

    #[test]
    fn a_late_older_attempt_is_refused_and_the_newer_one_stays() {
        let (user, device) = (UserId::random(), DeviceId::random());
        let mut held = Held::default();
        held.insert(user, session(1, device, 9, 2)).unwrap();
        assert_eq!(held.insert(user, session(2, device, 9, 1)), Err(CloseCode::Superseded));
        assert_eq!(held.sessions(user).len(), 1);
        held.insert(user, session(3, device, 8, 1)).unwrap();
        assert_eq!(held.sessions(user)[0].key, 3);
    }

    #[test]
    fn sessions_are_paged_by_user_without_gap_or_overlap() {
        let mut held = Held::default();
        let mut users: Vec<_> = (0..7).map(|_| UserId::random()).collect();
        users.sort_unstable();
        for (key, user) in (1..).zip(users.iter().rev()) {
            held.insert(*user, session(key, DeviceId::random(), 1, 1)).unwrap();
        }
        held.insert(users[1], session(99, DeviceId::random(), 1, 1)).unwrap();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = held.page(after, 2);
            seen.extend(page.sessions.iter().map(|session| session.user_id));
            after = seen.last().copied();
            if !page.more {
                break;
            }
        }
        users.insert(1, users[1]);
        assert_eq!(seen, users);
    }

    #[test]
    fn letting_a_displaced_session_go_leaves_its_successor() {
        let (user, device) = (UserId::random(), DeviceId::random());
        let mut held = Held::default();
        held.insert(user, session(1, device, 9, 1)).unwrap();
        held.insert(user, session(2, device, 9, 2)).unwrap();
        held.remove(1, 1);
        assert_eq!(held.sessions(user)[0].key, 2);
        held.remove(1, 2);
        assert_eq!(held.len(), 0);
    }
}
