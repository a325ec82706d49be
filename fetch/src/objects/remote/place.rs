//! One bucket and prefix, and what is done there.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use nudge_proto::MediumId;
use object_store::{
    Error, GetOptions, GetRange, ObjectStoreExt, PutPayload,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use uuid::Uuid;

use super::{
    connect::Backend,
    failure::{ConnectError, failed},
    layout::{Piece, Run},
};
use crate::objects::{Found, Ledger, Multipart, ObjectError, ObjectName};

/// A bucket and a prefix.
pub(super) struct Place {
    pub(super) backend: Backend,
    /// For a person.
    pub(super) name: String,
    pub(super) ledger: Arc<dyn Ledger>,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Place").field(&self.name).finish()
    }
}

impl Place {
    pub(super) fn new(backend: Backend, ledger: Arc<dyn Ledger>) -> Self {
        Self { name: backend.name.clone(), backend, ledger }
    }

    /// The first look: whether the bucket is there and may be read and written.
    pub(super) async fn look(&self) -> Result<(), ConnectError> {
        let refused = |error: Error| ConnectError::at_first(&self.name, &error);
        self.backend.objects.list(Some(&self.media())).next().await.transpose().map_err(refused)?;
        let path = self.media().join("probe");
        let multipart = self.multiparts().create_multipart(&path).await.map_err(refused)?;
        self.multiparts().abort_multipart(&path, &multipart).await.map_err(refused)
    }

    pub(super) fn media(&self) -> Path {
        media(&self.backend.prefix)
    }

    pub(super) fn path(&self, id: MediumId, name: &ObjectName) -> Path {
        object_path(&self.backend.prefix, id, name)
    }

    /// Writes a new object.
    pub(super) async fn put(&self, id: MediumId, bytes: Vec<Bytes>) -> Result<Piece, ObjectError> {
        let piece = Piece { name: new_name(), length: length(&bytes) };
        let path = self.path(id, &piece.name);
        let put = self.backend.objects.put(&path, PutPayload::from_iter(bytes));
        in_time("write to the object store", put).await?;
        Ok(piece)
    }

    /// An object's length, if it is there.
    pub(super) async fn length(
        &self,
        id: MediumId,
        name: &ObjectName,
    ) -> Result<Option<u64>, ObjectError> {
        let path = self.path(id, name);
        let what = "look at a medium in the object store";
        match timed(self.backend.objects.head(&path), what).await? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(what)(error)),
        }
    }

    /// Begins to read a range, which must not be empty; `None` when the object is not there, or has not
    /// all of it.
    pub(super) async fn get(
        &self,
        path: &Path,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, ObjectError> {
        let what = "read from the object store";
        let bounded = Some(GetRange::Bounded(range.clone()));
        let options = GetOptions { range: bounded, ..GetOptions::default() };
        match timed(self.backend.objects.get_opts(path, options), what).await? {
            Ok(result) if result.range == range => Ok(Some(result.into_stream())),
            Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
            // Of a range that begins behind the end, S3 says no more than that it is invalid.
            Err(error) => match timed(self.backend.objects.head(path), what).await? {
                Ok(meta) if meta.size < range.end => Ok(None),
                _ => Err(failed(what)(error)),
            },
        }
    }

    pub(super) async fn delete(&self, id: MediumId, name: &ObjectName) -> Result<(), ObjectError> {
        let path = self.path(id, name);
        let what = "remove from the object store";
        match timed(self.backend.objects.delete(&path), what).await? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(what)(error)),
        }
    }

    /// What lies under one medium's id, or under all.
    pub(super) fn list(
        &self,
        id: Option<MediumId>,
    ) -> impl Stream<Item = Result<Found, ObjectError>> + Send + use<> {
        let media = self.media();
        let prefix = match id {
            Some(id) => media.clone().join(id.to_string()),
            None => media.clone(),
        };
        let listed = self.backend.objects.list(Some(&prefix));
        listed.map_err(failed("list the object store")).try_filter_map(move |meta| {
            // Other names are not ours.
            let found = found(&media, &meta.location);
            async move { Ok(found) }
        })
    }

    /// Begins a multipart upload, and has it remembered before anything is put.
    pub(super) async fn begin(&self, id: MediumId) -> Result<Run, ObjectError> {
        let name = new_name();
        let path = self.path(id, &name);
        let what = "begin a multipart upload";
        let multipart = self.multiparts().create_multipart(&path);
        let multipart = Multipart { name, id: in_time(what, multipart).await? };
        if let Err(error) = self.ledger.remember(id, &multipart).await {
            // It has no parts: one that stays takes no room.
            let _ = self.abort(id, &multipart).await;
            return Err(error.into());
        }
        Ok(Run::new(multipart))
    }

    /// Puts a run's next part.
    pub(super) async fn put_part(
        &self,
        id: MediumId,
        run: &mut Run,
        bytes: Vec<Bytes>,
    ) -> Result<(), ObjectError> {
        let path = self.path(id, &run.name);
        let length = length(&bytes);
        let payload = PutPayload::from_iter(bytes);
        let put = self.multiparts().put_part(&path, &run.multipart, run.parts.len(), payload);
        let part = in_time("write a part to the object store", put).await?;
        run.parts.push(part.content_id);
        run.length += length;
        Ok(())
    }

    /// Makes the object of a run's parts. Idempotent.
    pub(super) async fn complete(&self, id: MediumId, run: &Run) -> Result<Piece, ObjectError> {
        let mut pause = COMPLETING_PAUSE;
        loop {
            let completed = self.try_to_complete(id, run).await;
            // Another node may be about it: until it is done the multipart upload is gone, and the object is
            // not there yet.
            if completed.is_ok() || pause > COMPLETING_PAUSE_MAX {
                return completed;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn try_to_complete(&self, id: MediumId, run: &Run) -> Result<Piece, ObjectError> {
        let path = self.path(id, &run.name);
        let what = "complete a multipart upload";
        let part = |content_id: &String| PartId { content_id: content_id.clone() };
        let parts = run.parts.iter().map(part).collect();
        let complete = self.multiparts().complete_multipart(&path, &run.multipart, parts);
        let completed = timed(complete, what).await?;
        // What is there tells, also when the answer was lost. It may have more parts, after a failover that
        // lost the newest commits.
        let is_there = self.length(id, &run.name).await?.is_some_and(|there| there >= run.length);
        match completed {
            _ if is_there => Ok(Piece { name: run.name.clone(), length: run.length }),
            Ok(_) | Err(Error::NotFound { .. }) => {
                Err(ObjectError::NotFound { id, what: "a part" })
            }
            Err(error) => Err(failed(what)(error)),
        }
    }

    pub(super) async fn abort(
        &self,
        id: MediumId,
        multipart: &Multipart,
    ) -> Result<(), ObjectError> {
        let path = self.path(id, &multipart.name);
        let what = "abort a multipart upload";
        match timed(self.multiparts().abort_multipart(&path, &multipart.id), what).await? {
            // Of one that is over, some say that it may not be aborted; that others may, was tried at the start.
            Ok(()) | Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(()),
            Err(error) => Err(failed(what)(error)),
        }
    }

    fn multiparts(&self) -> &dyn MultipartStore {
        self.backend.multiparts.as_ref()
    }
}

/// Where an object lies beneath a prefix.
pub(super) fn object_path(prefix: &Path, id: MediumId, name: &ObjectName) -> Path {
    media(prefix).join(id.to_string()).join(name.as_str())
}

fn media(prefix: &Path) -> Path {
    prefix.clone().join("media")
}

fn found(media: &Path, path: &Path) -> Option<Found> {
    let mut parts = path.prefix_match(media)?;
    let (id, name) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let id = id.as_ref().parse().ok()?;
    Some(Found { id, name: ObjectName(name.as_ref().to_owned()) })
}

/// One that nobody has had and nobody will have.
fn new_name() -> ObjectName {
    ObjectName(Uuid::new_v4().simple().to_string())
}

fn length(bytes: &[Bytes]) -> u64 {
    bytes.iter().map(|piece| piece.len() as u64).sum()
}

pub(super) async fn in_time<T>(
    what: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, ObjectError> {
    timed(work, what).await?.map_err(failed(what))
}

/// Retries included.
async fn timed<T>(work: impl Future<Output = T>, what: &'static str) -> Result<T, ObjectError> {
    tokio::time::timeout(OPERATION_TIMEOUT, work).await.map_err(|_| {
        let seconds = OPERATION_TIMEOUT.as_secs();
        ObjectError::Unavailable { what, why: format!("it took more than {seconds} s") }
    })
}

/// What the object store is asked to do must be done within this time.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// First pause before an object that another may be completing is looked for again.
const COMPLETING_PAUSE: Duration = Duration::from_millis(50);
/// Last one; they double.
const COMPLETING_PAUSE_MAX: Duration = Duration::from_millis(1600);
