//! The markers, each an object.

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use object_store::{Error, ObjectStoreExt, path::Path};

use super::{
    failure::failed,
    place::{Place, in_time},
};
use crate::objects::{
    ObjectError,
    marker::{MARKER, Markable, Marker},
};

impl Place {
    fn marked(&self) -> Path {
        self.backend.prefix.clone().join(MARKER)
    }

    fn marker_at(&self, marker: Marker) -> Path {
        self.marked().join(marker.objects_id.to_string())
    }

    async fn read_marker(&self, path: &Path) -> Result<Option<String>, ObjectError> {
        let text = async { self.backend.objects.get(path).await?.bytes().await };
        match text.await {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(READ)(error)),
        }
    }

    /// The cheapest question that shows that this is still the store's place.
    pub(super) async fn find_marker(&self, marker: Marker) -> Result<(), ObjectError> {
        let text = self.read_marker(&self.marker_at(marker)).await?.unwrap_or_default();
        crate::objects::marker::find(self, Marker::parse(&text).as_slice(), marker)
    }
}

#[async_trait]
impl Markable for Place {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn markers(&self) -> Result<Vec<String>, ObjectError> {
        let listed = self.backend.objects.list(Some(&self.marked()));
        let mut paths = listed.map_ok(|meta| meta.location);
        let mut markers = Vec::new();
        while let Some(path) = paths.try_next().await.map_err(failed(READ))? {
            // One that is gone by now was taken back.
            markers.extend(self.read_marker(&path).await?);
        }
        Ok(markers)
    }

    async fn is_empty(&self) -> Result<bool, ObjectError> {
        let first = self.backend.objects.list(Some(&self.media())).next().await;
        Ok(first.transpose().map_err(failed(READ))?.is_none())
    }

    async fn mark(&self, marker: Marker) -> Result<(), ObjectError> {
        let path = self.marker_at(marker);
        let put = self.backend.objects.put(&path, marker.to_string().into());
        in_time("mark the place for media", put).await.map(drop)
    }

    async fn unmark(&self, marker: Marker) -> Result<(), ObjectError> {
        let path = self.marker_at(marker);
        in_time("take a marker back", self.backend.objects.delete(&path)).await
    }
}

const READ: &str = "read the marker of the place for media";
