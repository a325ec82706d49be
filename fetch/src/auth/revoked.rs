use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use nudge_proto::{DeviceId, UserId};

use super::Caller;

/// Devices revoked so recently that an access token of theirs may still be in its time.
///
/// Fed by this node's own revocations, by the bus, and by the sweep.
#[derive(Debug, Default)]
pub struct Revoked(RwLock<HashSet<(UserId, DeviceId)>>);

impl Revoked {
    /// Whether the caller's device is one of them.
    #[must_use]
    pub fn contains(&self, caller: Caller) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&caller.pair())
    }

    /// Adds one.
    pub fn insert(&self, caller: Caller) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(caller.pair());
    }

    /// Forgets all but these.
    pub fn replace(&self, devices: Vec<(UserId, DeviceId)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = devices.into_iter().collect();
    }
}
