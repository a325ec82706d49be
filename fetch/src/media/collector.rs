//! Removes the objects of media that the store does not know any more.

use crate::{
    objects::Objects,
    store::{MediumState, Store},
};
use nudge_proto::MediumId;

use super::MediaError;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Finished objects, and uploads, of media that do not exist.
    pub orphans: usize,
    /// Segments of media that are complete without them.
    pub leftovers: usize,
}

/// Removes what a crash, or a late write to a removed upload, left behind.
///
/// The objects are listed before the store is asked, and every row is older than its first object:
/// what the store does not know then will never be known, and no live medium is touched.
///
/// # Errors
///
/// When the store or the objects fail; what was removed before stays removed.
pub async fn collect(store: &dyn Store, objects: &dyn Objects) -> Result<Collected, MediaError> {
    let listing = objects.list().await?;
    let mut collected = Collected::default();
    for ids in listing.unfinished.chunks(ASKED_AT_ONCE) {
        for (&id, state) in ids.iter().zip(store.media_states(ids).await?) {
            match state {
                MediumState::Unknown => collected.orphans += remove(objects, id).await?,
                MediumState::Complete => {
                    objects.discard_segments(id).await?;
                    collected.leftovers += 1;
                }
                MediumState::Unfinished => {}
            }
        }
    }
    for ids in listing.finished.chunks(ASKED_AT_ONCE) {
        for (&id, state) in ids.iter().zip(store.media_states(ids).await?) {
            if state == MediumState::Unknown {
                collected.orphans += remove(objects, id).await?;
            }
        }
    }
    Ok(collected)
}

async fn remove(objects: &dyn Objects, id: MediumId) -> Result<usize, MediaError> {
    objects.delete(id).await?;
    Ok(1)
}

/// Media in one question to the store.
const ASKED_AT_ONCE: usize = 500;
