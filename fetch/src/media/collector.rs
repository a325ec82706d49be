//! Removes the objects of media that the store does not know any more.

use futures::TryStreamExt;
use nudge_proto::MediumId;

use super::MediaError;
use crate::{
    objects::{Found, ObjectError, Objects},
    store::{MediumState, Store, UnixMs},
};

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Things that lay under the ids of media that do not exist.
    pub orphans: usize,
    /// Things that lay under the ids of media that are complete without them.
    pub leftovers: usize,
    /// Multipart uploads that nobody would have completed.
    pub multiparts: usize,
}

/// Removes what a crash, or a late write to a removed upload, left behind.
///
/// The objects are listed before the store is asked, and every row is older than its first object:
/// what the store does not know then it will never know, and no live medium is touched. But a database that was
/// replaced and does not know it may still answer a node that is cut off with it, and of what the new one was
/// told it knows nothing: what was made after `old` stays.
///
/// # Errors
///
/// When the store or the objects fail; what was removed before stays removed.
pub async fn collect(
    store: &dyn Store,
    objects: &dyn Objects,
    old: UnixMs,
) -> Result<Collected, MediaError> {
    let mut collected = Collected::default();
    let listed = objects.list().await?;
    let mut chunks = listed.try_chunks(ASKED_AT_ONCE);
    while let Some(found) = chunks.try_next().await.map_err(|error| error.1)? {
        let ids: Vec<MediumId> = found.iter().map(|found| found.id).collect();
        for (found, state) in found.iter().zip(store.media_states(&ids).await?) {
            let count = match state {
                MediumState::Unknown if found.id.made_at_ms() <= old.0 => &mut collected.orphans,
                MediumState::Complete { object } if object != found.name => {
                    &mut collected.leftovers
                }
                MediumState::Unknown | MediumState::Complete { .. } | MediumState::Unfinished => {
                    continue;
                }
            };
            *count += remove(objects, found).await?;
        }
    }
    collected.multiparts = abort(store, objects).await?;
    Ok(collected)
}

async fn remove(objects: &dyn Objects, found: &Found) -> Result<usize, ObjectError> {
    objects.remove(found).await?;
    Ok(1)
}

/// Each is aborted twice, a run apart: a part that was on its way may have come after the first time.
async fn abort(store: &dyn Store, objects: &dyn Objects) -> Result<usize, MediaError> {
    let mut aborted = 0;
    for (id, multipart) in &store.lost_multiparts(ASKED_AT_ONCE).await? {
        if let Err(error) = objects.abort(*id, multipart).await {
            tracing::warn!(%error, %id, "a multipart upload must wait");
            continue;
        }
        store.multipart_aborted(*id, &multipart.name).await?;
        aborted += 1;
    }
    Ok(aborted)
}

/// Media in one question to the store.
const ASKED_AT_ONCE: usize = 500;
