use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use nudge_proto::{DeviceId, UserId};

use super::Caller;
use crate::store::UnixMs;

/// Devices, and users with all of theirs, revoked so recently that an access token may still be in its
/// time.
///
/// Fed by this node's own revocations, by the bus, and by the sweep; none of them takes away what
/// another added.
#[derive(Debug, Default)]
pub struct Revoked(RwLock<HashMap<Who, UnixMs>>);

/// A device, or every device of the user, and when that was learned.
type Who = (UserId, Option<DeviceId>);

impl Revoked {
    /// Whether the caller's device is one of them.
    #[must_use]
    pub fn contains(&self, Caller { user_id, device_id }: Caller) -> bool {
        let revoked = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !revoked.is_empty()
            && (revoked.contains_key(&(user_id, Some(device_id)))
                || revoked.contains_key(&(user_id, None)))
    }

    /// Adds a device, or all of the user's.
    pub fn insert(&self, user_id: UserId, device_id: Option<DeviceId>, now: UnixMs) {
        let mut revoked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        revoked.insert((user_id, device_id), now);
    }

    /// Adds these, and forgets what was learned before `since`.
    pub fn renew(&self, devices: Vec<(UserId, DeviceId)>, now: UnixMs, since: UnixMs) {
        let mut revoked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, learned| *learned >= since);
        let devices = devices.into_iter().map(|(user, device)| ((user, Some(device)), now));
        revoked.extend(devices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_what_was_revoked_while_the_store_was_read_stays_revoked() {
        let (phone, laptop) = (caller(), caller());
        let revoked = Revoked::default();
        revoked.insert(phone.user_id, Some(phone.device_id), UnixMs(50));
        // The store was read just before that.
        revoked.renew(vec![laptop.pair()], UnixMs(51), UnixMs(0));
        assert!(revoked.contains(phone) && revoked.contains(laptop));
    }

    #[test]
    fn a_deleted_user_is_out_with_every_device_until_no_token_lives_any_more() {
        let phone = caller();
        let revoked = Revoked::default();
        revoked.insert(phone.user_id, None, UnixMs(50));
        let tablet = Caller { device_id: DeviceId::random(), ..phone };
        assert!(revoked.contains(phone) && revoked.contains(tablet) && !revoked.contains(caller()));
        revoked.renew(Vec::new(), UnixMs(90), UnixMs(51));
        assert!(!revoked.contains(phone));
    }

    fn caller() -> Caller {
        Caller { user_id: UserId::random(), device_id: DeviceId::random() }
    }
}
