//! The sessions as the operator sees them.

use std::collections::BinaryHeap;

use nudge_proto::{DeviceId, InboxSeq, UserId};

use super::{Held, HeldSession, HeldUser};

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

impl Held {
    /// A user's sessions, for the operator.
    pub(in crate::watch) fn views_of(&self, user_id: UserId) -> SessionsPage {
        let mut page = SessionsPage::default();
        page.sessions
            .extend(self.users.get(&user_id).into_iter().flat_map(|user| user.views(user_id)));
        page
    }

    /// Sessions by user id, for the operator: it looks at every user that is held.
    pub(in crate::watch) fn page(&self, after: Option<UserId>, limit: usize) -> SessionsPage {
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
}
