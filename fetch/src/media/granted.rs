//! Who may read what, remembered for a moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nudge_proto::{MediumId, UserId};
use tokio::time::Instant;

use crate::{
    limits::{GRANT_TIME, GRANTS_MAX},
    store::{Medium, Store, StoreError, UnixMs},
};

/// What the store said of users and media within the last moment. Its age counts from before the store was
/// asked: what ended since is not served [`GRANT_TIME`] later, on any node. Refusals are not remembered:
/// what was just granted is there at once. Who asks is looked at each time, by his token.
#[derive(Debug, Default)]
pub struct Granted(Mutex<HashMap<(UserId, MediumId), Grant>>);

#[derive(Debug)]
struct Grant {
    medium: Arc<Medium>,
    asked: Asked,
}

/// When the store was asked. The wall clock ends grants, and may jump; the other one does not.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    wall: UnixMs,
}

impl Granted {
    /// A medium, if the user may read it, or might a moment ago.
    ///
    /// # Errors
    ///
    /// As of [`Media::medium`](crate::store::Media::medium).
    pub async fn medium(
        &self,
        store: &dyn Store,
        user_id: UserId,
        id: MediumId,
        now: UnixMs,
    ) -> Result<Arc<Medium>, StoreError> {
        let asked = Asked { at: Instant::now(), wall: now };
        if let Some(medium) = self.lately(user_id, id, asked) {
            return Ok(medium);
        }
        let medium = Arc::new(store.medium(user_id, id, now).await?);
        self.remember(user_id, Arc::clone(&medium), asked);
        Ok(medium)
    }

    fn lately(&self, user_id: UserId, id: MediumId, now: Asked) -> Option<Arc<Medium>> {
        let grants = self.lock();
        let grant = grants.get(&(user_id, id)).filter(|grant| grant.asked.holds(now))?;
        Some(Arc::clone(&grant.medium))
    }

    fn remember(&self, user_id: UserId, medium: Arc<Medium>, asked: Asked) {
        let mut grants = self.lock();
        if grants.len() >= GRANTS_MAX {
            grants.retain(|_, grant| grant.asked.holds(asked));
        }
        if grants.len() < GRANTS_MAX {
            grants.insert((user_id, medium.id), Grant { medium, asked });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(UserId, MediumId), Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn holds(self, now: Self) -> bool {
        let by_wall = now.wall.0.checked_sub(self.wall.0).map(Duration::from_millis);
        let age = now.at.saturating_duration_since(self.at);
        by_wall.is_some_and(|by_wall| by_wall.max(age) < GRANT_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::ObjectName;

    fn medium() -> Arc<Medium> {
        Arc::new(Medium {
            id: MediumId::random(),
            object: ObjectName("whole".to_owned()),
            file_name: String::new(),
            content_type: String::new(),
            size: 1,
            sha256: [0; 32],
            completed_at: UnixMs(1),
        })
    }

    /// (monotonic, wall) in milliseconds after some instant.
    fn at(begin: Instant, monotonic: u64, wall: u64) -> Asked {
        Asked { at: begin + Duration::from_millis(monotonic), wall: UnixMs(wall) }
    }

    #[test]
    fn p8_a_grant_is_one_user_s_and_holds_for_less_than_a_second_by_either_clock() {
        let (granted, user, medium, begin) =
            (Granted::default(), UserId::random(), medium(), Instant::now());
        granted.remember(user, Arc::clone(&medium), at(begin, 0, 5000));
        let holds = |user, id, now| granted.lately(user, id, now).is_some();
        for (monotonic, wall, expected) in [
            (0, 5000, true),
            (999, 5999, true),
            (1000, 6000, false),
            // The wall clock stands, was set back, or jumped.
            (1000, 5000, false),
            (0, 4999, false),
            (0, 6000, false),
        ] {
            let now = at(begin, monotonic, wall);
            assert_eq!(holds(user, medium.id, now), expected, "{monotonic} {wall}");
        }
        assert!(!holds(UserId::random(), medium.id, at(begin, 0, 5000)));
        assert!(!holds(user, MediumId::random(), at(begin, 0, 5000)));
    }

    #[test]
    fn p5_only_so_many_grants_are_remembered_and_old_ones_make_room() {
        let (granted, user, begin) = (Granted::default(), UserId::random(), Instant::now());
        for _ in 0..=GRANTS_MAX {
            granted.remember(user, medium(), at(begin, 0, 0));
        }
        assert_eq!(granted.lock().len(), GRANTS_MAX);
        granted.remember(user, medium(), at(begin, 1000, 1000));
        assert_eq!(granted.lock().len(), 1);
    }
}
