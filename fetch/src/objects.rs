//! Where the bytes of media lie.
//!
//! Everything lies under the id of its medium, under names that are never used twice. What counts of an
//! upload in progress is what its [`Layout`] in the database says: it is committed with the offset, by the
//! newest request alone, so that whatever an older one goes on writing is never read. Once all bytes are
//! in, they become one finished object, whole from its first instant, and the database names it.
//!
//! - [`ObjectsConfig`]: what the operator says, and [`open`]
//! - [`LocalObjects`]: a directory; each request writes a file of its own
//! - [`RemoteObjects`]: S3 and its like; parts of multipart uploads, and tails
//! - `marker`: what ties a place to its store

mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod ledger;
mod local;
mod marker;
mod open;
mod remote;

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use nudge_proto::{ErrorCode, MediumId};

use crate::store::StoreError;

pub use config::{ObjectsConfig, RemoteConfig};
pub use ledger::StoreLedger;
pub use local::LocalObjects;
pub use marker::{Owner, PlaceError};
pub use open::open;
pub use remote::{ConnectError, MEDIUM_BYTES_MAX, RemoteObjects, SignedRead, Signer};

/// Bytes as they are read: bounded chunks, each read when it is asked for.
pub type ByteStream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// What lies there, as it is listed.
pub type FoundStream = BoxStream<'static, Result<Found, ObjectError>>;

/// A place for the bytes of media.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug + 'static {
    /// Goes on with an upload, for one request.
    async fn write(&self, upload: Unfinished) -> Result<Box<dyn Writer>, ObjectError>;

    /// Makes one durable object of an upload's committed bytes. Idempotent.
    ///
    /// # Errors
    ///
    /// [`ObjectError::NotFound`] when some of the `size` bytes are missing, [`ObjectError::Lost`] when that is for
    /// good.
    async fn finish(
        &self,
        id: MediumId,
        size: u64,
        layout: &Layout,
    ) -> Result<ObjectName, ObjectError>;

    /// Reads a range of a finished object. It must lie within the object: a stream that ends early
    /// ends with an error.
    async fn read(
        &self,
        id: MediumId,
        object: &ObjectName,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectError>;

    /// Removes what an upload lay in, once it is a medium with this object. What is not removed, the
    /// collector finds.
    async fn tidy(
        &self,
        id: MediumId,
        layout: &Layout,
        object: &ObjectName,
    ) -> Result<(), ObjectError>;

    /// Removes one of the things that were found; nothing happens when it is gone.
    async fn remove(&self, found: &Found) -> Result<(), ObjectError>;

    /// Removes everything under a medium's id; nothing happens when there is nothing.
    async fn delete(&self, id: MediumId) -> Result<(), ObjectError>;

    /// What lies here, for the collector.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Place`] when the place is not the store's any more: nothing may be removed then.
    async fn list(&self) -> Result<FoundStream, ObjectError>;

    /// Whether the place answers and is the store's, without a retry; for readiness.
    async fn ping(&self) -> Result<(), ObjectError>;

    /// Ends a multipart upload that is not to become an object; nothing happens when it is over.
    async fn abort(&self, id: MediumId, multipart: &Multipart) -> Result<(), ObjectError>;
}

/// What one request writes of an upload.
#[async_trait]
pub trait Writer: Send + std::fmt::Debug {
    /// Bytes after which it is best synced and committed; at least one, unless they are there.
    fn room(&self) -> u64;

    /// Adds bytes at the end. After an error nothing may be appended any more; what was appended
    /// before may or may not still be made durable.
    async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectError>;

    /// Makes durable what was appended, and says where all bytes lie now. `None` when nothing was
    /// appended since the last time.
    async fn sync(&mut self) -> Result<Option<Layout>, ObjectError>;

    /// What [`Self::sync`] said last is committed.
    async fn committed(&mut self);

    /// Gives back what was appended and never committed. Nothing may be appended any more.
    async fn give_back(&mut self) -> Result<(), ObjectError>;
}

/// What the places that need it have remembered for them; the store does it.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug + 'static {
    /// Commits a layout that holds no more bytes than the one before.
    ///
    /// # Errors
    ///
    /// [`StoreError::UploadTakenOver`] when a newer request has come.
    async fn record(&self, id: MediumId, fence: u64, layout: &Layout) -> Result<(), StoreError>;

    /// Remembers a multipart upload until it is aborted, or is the medium's object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the upload is over.
    async fn remember(&self, id: MediumId, multipart: &Multipart) -> Result<(), StoreError>;
}

/// An upload to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub id: MediumId,
    /// Bytes that it is to have.
    pub size: u64,
    /// Of the request that goes on.
    pub fence: u64,
    /// Where its committed bytes lie.
    pub layout: Layout,
}

/// Where the committed bytes of an upload lie, in the words of the place that wrote it; empty before the
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout(pub String);

impl Layout {
    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one of the things that lie under a medium's id. Never used twice for different bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ObjectName(pub String);

impl ObjectName {
    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A multipart upload at an object store, which keeps its parts until it is completed or aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// The object that it becomes.
    pub name: ObjectName,
    /// The object store's id for it.
    pub id: String,
}

/// One of the things that lie in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Under which medium's id.
    pub id: MediumId,
    /// Finished objects have the name that [`Objects::finish`] gave them.
    pub name: ObjectName,
}

/// Why the objects could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No room.
    #[error("there is no room left for the bytes of media: free some, or add some")]
    Full,
    /// Not there, or shorter than it must be.
    #[error("{what} of medium {id} is missing or too short")]
    NotFound {
        /// Which medium.
        id: MediumId,
        /// What of it.
        what: &'static str,
    },
    /// An object of an upload's committed bytes is not there: nobody can go on with the upload.
    #[error("{what} of upload {id} is committed, and not there any more")]
    Lost {
        /// Which upload.
        id: MediumId,
        /// What of it.
        what: &'static str,
    },
    /// It does not answer, or fails; what was asked may have been done all the same.
    #[error("cannot {what}: {why}")]
    Unavailable {
        /// The deed, to complete the sentence.
        what: &'static str,
        /// Its words.
        why: String,
    },
    /// It cannot be used as it is configured.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It is not this store's place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The ledger has its reasons.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layout that no place has written.
    #[error("the layout of upload {id} is damaged: {layout}")]
    Layout {
        /// Which upload.
        id: MediumId,
        /// What it says.
        layout: String,
    },
    /// Something else went wrong.
    #[error("cannot {what}: {source}")]
    Io {
        /// The deed, to complete the sentence.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl ObjectError {
    /// The code it is reported under.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Full => ErrorCode::StorageFull,
            Self::Store(error) => error.code(),
            Self::Unavailable { .. } => ErrorCode::Unavailable,
            Self::NotFound { .. }
            | Self::Lost { .. }
            | Self::Connect(_)
            | Self::Place(_)
            | Self::Layout { .. }
            | Self::Io { .. } => ErrorCode::Internal,
        }
    }

    /// Tells a full disk from the other troubles.
    fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self + Copy {
        move |source| {
            let is_full = matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            );
            if is_full { Self::Full } else { Self::Io { what, source } }
        }
    }
}
