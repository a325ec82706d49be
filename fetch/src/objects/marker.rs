//! The marker that ties a place to its store, and a store to its place.
//!
//! Two lines: the store's id, and the place's own. The place's is also in the store, so that a second place
//! of the same store is recognized as well as a place of another store.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::ObjectError;
use crate::store::{StoreError, Upkeep};

/// Whose place it is to be: the store.
#[async_trait]
pub trait Owner: Send + Sync {
    /// Its own id, and that of its place once it has one.
    async fn ids(&self) -> Result<(Uuid, Option<Uuid>), StoreError>;

    /// Takes a place, unless it has one; the id of the one that counts.
    async fn claim(&self, objects_id: Uuid) -> Result<Uuid, StoreError>;
}

#[async_trait]
impl<S: Upkeep + ?Sized> Owner for S {
    async fn ids(&self) -> Result<(Uuid, Option<Uuid>), StoreError> {
        let identity = self.identity().await?;
        Ok((identity.store_id, identity.objects_id))
    }

    async fn claim(&self, objects_id: Uuid) -> Result<Uuid, StoreError> {
        self.claim_objects(objects_id).await
    }
}

/// What a place says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) store_id: Uuid,
    pub(super) objects_id: Uuid,
}

impl Marker {
    /// Its name in a place.
    pub(super) fn file_name(self) -> String {
        format!("{MARKER}.{}", self.objects_id)
    }

    /// A place that was marked before places had ids has its store's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.trim().parse::<Uuid>().ok());
        let store_id = lines.next()??;
        let objects_id = lines.next().unwrap_or(Some(store_id))?;
        Some(Self { store_id, objects_id })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n{}", self.store_id, self.objects_id)
    }
}

/// A place that can be marked.
///
/// Each marker has a name of its own, so that none is ever written over: not every object store keeps one
/// writer from replacing what another has just written.
#[async_trait]
pub(super) trait Markable: Send + Sync {
    /// For a person.
    fn name(&self) -> String;
    /// What its markers say.
    async fn markers(&self) -> Result<Vec<String>, ObjectError>;
    /// Whether there are no media, which would have to go with a marker.
    async fn is_empty(&self) -> Result<bool, ObjectError>;
    /// Marks it.
    async fn mark(&self, marker: Marker) -> Result<(), ObjectError>;
    /// Takes a marker back.
    async fn unmark(&self, marker: Marker) -> Result<(), ObjectError>;
}

/// Why a place is not the store's.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The place belongs to another store.
    #[error(
        "{place} holds the media of store {found}, not of {expected}: \
         give each store a place of its own"
    )]
    OtherStore {
        /// The place.
        place: String,
        /// What its marker says.
        found: String,
        /// The store that wants to use it.
        expected: Uuid,
    },
    /// The store's media are in another place.
    #[error(
        "the media of this store are elsewhere: {place} is not marked as their place: give every node \
         the same bucket and prefix, or the same shared directory. If this is the place and its marker \
         was lost, put a file `{file}` there, with the lines {store_id} and {objects_id}"
    )]
    OtherPlace {
        /// The place that was given.
        place: String,
        /// The marker that it should have.
        file: String,
        /// The marker's first line.
        store_id: Uuid,
        /// The marker's second line.
        objects_id: Uuid,
    },
    /// A place that lost its marker is not taken for a new one.
    #[error(
        "{place} holds media and no marker: restore its file `store-id`, or give the store an empty place"
    )]
    NoMarker {
        /// The place.
        place: String,
    },
}

/// Takes the place for the store, at the first start, or finds that it is the store's.
///
/// The place is marked before the store claims it: dying in between leaves a marker that nothing refers to.
/// Of nodes that do it at once the store takes one's marker, and the others see whether that is in the place
/// that they were given. A marker is taken back by the node that made it, and only when the store is sure
/// not to have taken it. Two stores that do it at once never both miss the other's marker.
pub(super) async fn claim(
    place: &dyn Markable,
    owner: &(impl Owner + ?Sized),
) -> Result<Marker, ObjectError> {
    let (store_id, objects_id) = owner.ids().await?;
    if let Some(objects_id) = objects_id {
        let expected = Marker { store_id, objects_id };
        return check(place, expected).await.map(|()| expected);
    }
    // In this order: media that come while another node takes the place come after its marker.
    let is_empty = place.is_empty().await?;
    if markers(place, store_id).await?.is_empty() && !is_empty {
        return Err(PlaceError::NoMarker { place: place.name() }.into());
    }
    let mine = Marker { store_id, objects_id: Uuid::new_v4() };
    place.mark(mine).await?;
    if let Err(refused) = markers(place, store_id).await {
        place.unmark(mine).await?;
        return Err(refused);
    }
    let claimed = Marker { store_id, objects_id: owner.claim(mine.objects_id).await? };
    if claimed != mine {
        place.unmark(mine).await?;
    }
    check(place, claimed).await.map(|()| claimed)
}

/// Whether the place is still what it was.
pub(super) async fn check(place: &dyn Markable, expected: Marker) -> Result<(), ObjectError> {
    find(place, &markers(place, expected.store_id).await?, expected)
}

/// The place's markers, all of which must be the store's.
async fn markers(place: &dyn Markable, expected: Uuid) -> Result<Vec<Marker>, ObjectError> {
    let mut markers = Vec::new();
    for text in place.markers().await? {
        match Marker::parse(&text) {
            Some(marker) if marker.store_id == expected => markers.push(marker),
            _ => {
                let found = text.lines().next().unwrap_or("(nothing)").chars().take(64).collect();
                return Err(PlaceError::OtherStore { place: place.name(), found, expected }.into());
            }
        }
    }
    Ok(markers)
}

/// Whether the expected marker is among them.
pub(super) fn find(
    place: &dyn Markable,
    found: &[Marker],
    expected: Marker,
) -> Result<(), ObjectError> {
    if found.contains(&expected) {
        return Ok(());
    }
    let Marker { store_id, objects_id } = expected;
    let (place, file) = (place.name(), expected.file_name());
    Err(PlaceError::OtherPlace { place, file, store_id, objects_id }.into())
}

/// What the names of markers begin with, in a place.
pub(super) const MARKER: &str = "store-id";
