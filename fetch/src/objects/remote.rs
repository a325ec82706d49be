//! Objects in an object store: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
//!
//! ```text
//! <prefix>/store-id/<id>         which store this belongs to
//! <prefix>/media/<id>/<name>     whatever belongs to a medium; the database says what counts
//! ```
//!
//! An upload is a **run** of parts of a multipart upload, and a **tail** that is too small for a part: an
//! object of its own, written anew whenever a request ends within a part. A medium that is smaller than a
//! part is its tail, and no more. The run, its parts and the tail stand in the upload's layout
//! ([`layout`]), which is committed with the offset under the fence. So any node goes on with it.
//!
//! **No older request can spoil what counts.** Every object has a name of its own. Parts have numbers,
//! which must be dense, and who puts a number again replaces the part. So the layout says when a part is on
//! its way, *before* it is; whoever finds it said by another does not use that run any more: he completes
//! it as it is, which makes late parts fail, and begins another ([`writer`]). When all bytes are in, runs
//! that were ended like this are put together to one object ([`finish`]); most media are one run.
//!
//! **What a crash leaves is found.** Objects are listed. Multipart uploads are not: each is in the database
//! before its first part, until it is an object or was aborted. A crash between its creation and that leaves
//! one without parts, which takes no room; a lifecycle rule of the bucket that aborts incomplete multipart
//! uploads after some weeks (longer than an upload may take) removes its name.

mod connect;
mod failure;
mod finish;
mod layout;
mod marked;
mod place;
mod read;
mod signed;
mod writer;

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use nudge_proto::MediumId;

use super::{
    ByteStream, Found, FoundStream, Layout, Ledger, Multipart, ObjectError, ObjectName, Objects,
    Owner, RemoteConfig, Unfinished, Writer,
    marker::{self, Marker},
};
use connect::{Patience, connect};
use layout::Lies;
use place::Place;

pub use failure::ConnectError;
pub use layout::MEDIUM_BYTES_MAX;
pub use signed::{SignedRead, Signer};

/// Objects in an object store.
#[derive(Debug)]
pub struct RemoteObjects {
    place: Arc<Place>,
    /// The same, for who cannot wait.
    probe: Place,
    marker: Marker,
}

impl RemoteObjects {
    /// Opens the place for its store, marking it at the first start.
    ///
    /// # Errors
    ///
    /// Within ten seconds: [`ObjectError::Connect`] when it cannot be used as it is configured, and
    /// [`ObjectError::Place`] when it belongs to another store, or the store has another place.
    pub async fn open(
        config: &RemoteConfig,
        owner: &(impl Owner + ?Sized),
        ledger: Arc<dyn Ledger>,
    ) -> Result<Self, ObjectError> {
        let place = Arc::new(Place::new(connect(config, Patience::LONG)?, Arc::clone(&ledger)));
        let probe = Place::new(connect(config, Patience::SHORT)?, ledger);
        let opening = async {
            probe.look().await?;
            marker::claim(&probe, owner).await
        };
        let Ok(opened) = tokio::time::timeout(OPEN_TIMEOUT, opening).await else {
            let seconds = OPEN_TIMEOUT.as_secs();
            return Err(ConnectError::Silent { place: probe.name, seconds }.into());
        };
        Ok(Self { place, marker: opened?, probe })
    }
}

#[async_trait]
impl Objects for RemoteObjects {
    async fn write(&self, upload: Unfinished) -> Result<Box<dyn Writer>, ObjectError> {
        let lies = Lies::parse(upload.id, &upload.layout)?;
        Ok(Box::new(writer::RemoteWriter::new(Arc::clone(&self.place), upload, lies)))
    }

    async fn finish(
        &self,
        id: MediumId,
        size: u64,
        layout: &Layout,
    ) -> Result<ObjectName, ObjectError> {
        finish::finish(&self.place, id, size, Lies::parse(id, layout)?).await
    }

    async fn read(
        &self,
        id: MediumId,
        object: &ObjectName,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectError> {
        read::read(&self.place, id, object, range).await
    }

    async fn tidy(
        &self,
        id: MediumId,
        layout: &Layout,
        object: &ObjectName,
    ) -> Result<(), ObjectError> {
        for name in Lies::parse(id, layout)?.objects() {
            if name != object {
                self.place.delete(id, name).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, found: &Found) -> Result<(), ObjectError> {
        self.place.delete(found.id, &found.name).await
    }

    async fn delete(&self, id: MediumId) -> Result<(), ObjectError> {
        let found: Vec<Found> = self.place.list(Some(id)).try_collect().await?;
        for found in &found {
            self.remove(found).await?;
        }
        Ok(())
    }

    async fn list(&self) -> Result<FoundStream, ObjectError> {
        marker::check(self.place.as_ref(), self.marker).await?;
        Ok(self.place.list(None).boxed())
    }

    async fn ping(&self) -> Result<(), ObjectError> {
        self.probe.find_marker(self.marker).await
    }

    async fn abort(&self, id: MediumId, multipart: &Multipart) -> Result<(), ObjectError> {
        self.place.abort(id, multipart).await
    }
}

/// A start that has no answer by then has failed.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
