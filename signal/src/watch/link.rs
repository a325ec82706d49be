//! The watch stream in use, as the connections see it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use nudge_proto::{Cursor, DeviceId, UserId, watch::SessionKey};
use parking_lot::RwLock;

use super::upward::Upward;
use crate::seat::{Seat, StreamNumber};

/// The watch stream in use, if any.
///
/// While there is none, nothing is queued: everything held is presented when the next one opens.
#[derive(Debug)]
pub(crate) struct Link {
    /// The oldest stream that is still alive; above all so far when none is.
    oldest_alive: AtomicU32,
    upward: RwLock<Option<Arc<Upward>>>,
}

impl Default for Link {
    fn default() -> Self {
        Self { oldest_alive: AtomicU32::new(1), upward: RwLock::default() }
    }
}

/// What the connections do.
impl Link {
    /// Asks for a session to be held.
    pub(crate) fn hold(&self, seat: &Arc<Seat>) {
        self.with_upward(|upward| upward.hold(Arc::clone(seat)));
    }

    /// Tells that a session is gone, if its stream was ever told that it was there.
    pub(crate) fn drop_session(&self, key: SessionKey, presented_in: StreamNumber) {
        self.with_upward(|upward| upward.drop_session(key, presented_in));
    }

    /// Passes an ack on.
    pub(crate) fn ack(&self, user_id: UserId, device_id: DeviceId, cursor: Cursor) {
        self.with_upward(|upward| upward.ack(user_id, device_id, cursor));
    }

    /// See [`Seat::collect`].
    pub(crate) fn oldest_alive(&self) -> StreamNumber {
        self.oldest_alive.load(Ordering::Acquire)
    }

    /// Whether there is a stream.
    pub(crate) fn is_up(&self) -> bool {
        self.upward.read().is_some()
    }

    fn with_upward(&self, tell: impl FnOnce(&Upward)) {
        if let Some(upward) = self.upward.read().as_deref() {
            tell(upward);
        }
    }
}

/// What the watch client does.
impl Link {
    /// From here on everything is told to `upward`.
    pub(super) fn switch_to(&self, upward: Arc<Upward>) {
        *self.upward.write() = Some(upward);
    }

    /// There is no stream any more.
    pub(super) fn cut(&self, newest: StreamNumber) {
        *self.upward.write() = None;
        self.retire_before(newest + 1);
    }

    /// Streams before `oldest_alive` are gone.
    pub(super) fn retire_before(&self, oldest_alive: StreamNumber) {
        self.oldest_alive.store(oldest_alive, Ordering::Release);
    }
}
