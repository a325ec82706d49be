//! Objects in a local directory.
//!
//! ```text
//! <root>/store-id.*            which store this belongs to
//! <root>/uploads/<id>/<fence>  what one request wrote
//! <root>/uploads/<id>/whole.*  a finished object in the making
//! <root>/media/<id>            a finished object
//! ```
//!
//! Every name that something durable depends on is synced with its directory, so that no order of
//! crashes leaves a committed byte without a name. A finished object appears by `rename`: whole, or
//! not at all.

mod buffers;
mod finish;
mod layout;
mod marked;
mod read;
mod segment;

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use nudge_proto::MediumId;

use super::{
    ByteStream, Found, FoundStream, Layout, Multipart, ObjectError, ObjectName, Objects, Owner,
    Unfinished, Writer,
    marker::{self, Marker},
};
use crate::durable::{self, make_directory};
use layout::Segments;

/// Objects in a local directory.
#[derive(Debug)]
pub struct LocalObjects {
    paths: Paths,
    marker: Marker,
}

impl LocalObjects {
    /// Opens the directory for its store, making it at the first start.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Place`] when the directory belongs to another store, or the store has another
    /// directory.
    pub async fn open(root: &Path, owner: &(impl Owner + ?Sized)) -> Result<Self, ObjectError> {
        let paths = Paths { root: root.to_owned() };
        let opened = paths.clone();
        blocking(move || {
            for directory in [&opened.root, &opened.uploads(), &opened.media()] {
                make_directory(directory)
                    .map_err(ObjectError::io("make the directory for media"))?;
            }
            sync_directory(&opened.root)
        })
        .await?;
        let marker = marker::claim(&paths, owner).await?;
        Ok(Self { paths, marker })
    }
}

#[async_trait]
impl Objects for LocalObjects {
    async fn write(&self, upload: Unfinished) -> Result<Box<dyn Writer>, ObjectError> {
        let before = Segments::parse(upload.id, &upload.layout)?;
        Ok(Box::new(segment::LocalWriter::new(self.paths.clone(), upload, before)))
    }

    async fn finish(
        &self,
        id: MediumId,
        size: u64,
        layout: &Layout,
    ) -> Result<ObjectName, ObjectError> {
        let segments = Segments::parse(id, layout)?;
        let paths = self.paths.clone();
        blocking(move || finish::finish(&paths, id, size, &segments)).await?;
        Ok(whole())
    }

    async fn read(
        &self,
        id: MediumId,
        _object: &ObjectName,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectError> {
        let file = read::open(&self.paths.finished(id), id, range.end).await?;
        Ok(read::FileRange::new(file, id, range).boxed())
    }

    async fn tidy(
        &self,
        id: MediumId,
        _layout: &Layout,
        _object: &ObjectName,
    ) -> Result<(), ObjectError> {
        self.discard_segments(id).await
    }

    async fn remove(&self, found: &Found) -> Result<(), ObjectError> {
        if found.name == whole() {
            self.remove_finished(found.id).await
        } else {
            self.discard_segments(found.id).await
        }
    }

    async fn delete(&self, id: MediumId) -> Result<(), ObjectError> {
        self.remove_finished(id).await?;
        self.discard_segments(id).await
    }

    async fn list(&self) -> Result<FoundStream, ObjectError> {
        self.ping().await?;
        let paths = self.paths.clone();
        let (unfinished, finished) =
            blocking(move || Ok((ids(&paths.uploads())?, ids(&paths.media())?))).await?;
        let unfinished = unfinished.into_iter().map(|id| Found { id, name: segments() });
        let finished = finished.into_iter().map(|id| Found { id, name: whole() });
        Ok(stream::iter(unfinished.chain(finished)).map(Ok).boxed())
    }

    async fn ping(&self) -> Result<(), ObjectError> {
        marker::check(&self.paths, self.marker).await
    }

    /// Nothing here is a multipart upload.
    async fn abort(&self, _id: MediumId, _multipart: &Multipart) -> Result<(), ObjectError> {
        Ok(())
    }
}

impl LocalObjects {
    async fn discard_segments(&self, id: MediumId) -> Result<(), ObjectError> {
        let path = self.paths.segments(id);
        blocking(move || {
            ignore_missing(fs::remove_dir_all(path)).map_err(ObjectError::io("remove an upload"))
        })
        .await
    }

    async fn remove_finished(&self, id: MediumId) -> Result<(), ObjectError> {
        let path = self.paths.finished(id);
        blocking(move || {
            ignore_missing(fs::remove_file(path)).map_err(ObjectError::io("remove a medium"))
        })
        .await
    }
}

/// The finished object's name: there is one.
fn whole() -> ObjectName {
    ObjectName("whole".to_owned())
}

/// Names everything that the requests of an upload wrote.
fn segments() -> ObjectName {
    ObjectName("segments".to_owned())
}

/// Where everything lies.
#[derive(Clone, Debug)]
struct Paths {
    root: PathBuf,
}

impl Paths {
    fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    fn segments(&self, id: MediumId) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    fn segment(&self, id: MediumId, fence: u64) -> PathBuf {
        self.segments(id).join(fence.to_string())
    }

    fn finished(&self, id: MediumId) -> PathBuf {
        self.media().join(id.to_string())
    }
}

/// Runs file work on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static,
) -> Result<T, ObjectError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ObjectError::Io {
            what: "run file work",
            source: io::Error::other(error.to_string()),
        }),
    }
}

fn sync_directory(path: &Path) -> Result<(), ObjectError> {
    durable::sync_directory(path).map_err(ObjectError::io("sync a directory"))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The media named in a directory; other names are not ours.
fn ids(directory: &Path) -> Result<Vec<MediumId>, ObjectError> {
    let failed = ObjectError::io("list the media");
    let mut ids = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        ids.extend(name.to_str().and_then(|name| name.parse::<MediumId>().ok()));
    }
    Ok(ids)
}
