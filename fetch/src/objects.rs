//! Where the bytes of media lie.
//!
//! An upload in progress is a row of segments, one per request that wrote to it, each named by the
//! request's fence. What counts of a segment is what the database says; a segment may be longer.
//! Once all bytes are in, the committed segments become one finished object, whole from its first
//! instant. On a local directory a segment is a file; on S3 it is a run of multipart parts and a
//! tail that is too small to be one.

#[cfg(feature = "conformance")]
pub mod conformance;
mod local;

use std::{ops::Range, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use nudge_proto::{ErrorCode, MediumId};

pub use local::LocalObjects;

/// Bytes as they are read: bounded chunks, each read when it is asked for.
pub type ByteStream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// A place for the bytes of media.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug + 'static {
    /// Begins the segment that `fence` names; its bytes may come from one request only.
    async fn open_segment(&self, id: MediumId, fence: u64)
    -> Result<Box<dyn Segment>, ObjectError>;

    /// Makes one durable object of the committed segments, in their order. Idempotent: once it
    /// exists with these bytes, nothing happens. The segments may or may not be left.
    ///
    /// # Errors
    ///
    /// [`ObjectError::NotFound`] when a committed segment is missing or too short.
    async fn finish(&self, id: MediumId, segments: &[CommittedSegment]) -> Result<(), ObjectError>;

    /// Reads a range of a finished object. It must lie within the object: a stream that ends early
    /// ends with an error.
    async fn read(&self, id: MediumId, range: Range<u64>) -> Result<ByteStream, ObjectError>;

    /// Removes all segments of an upload; nothing happens when there are none.
    async fn discard_segments(&self, id: MediumId) -> Result<(), ObjectError>;

    /// Removes a finished object and all segments; nothing happens when there are none.
    async fn delete(&self, id: MediumId) -> Result<(), ObjectError>;

    /// What lies here, for the collector.
    async fn list(&self) -> Result<Listing, ObjectError>;
}

/// A segment that is being written.
#[async_trait]
pub trait Segment: Send + std::fmt::Debug {
    /// Adds bytes at the end. After an error nothing may be appended any more, but what was
    /// appended before can still be made durable.
    async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectError>;

    /// Makes durable what was appended.
    async fn sync(&mut self) -> Result<(), ObjectError>;

    /// Gives back what lies behind the first `length` bytes, and the segment itself when that is nothing.
    async fn cut(&mut self, length: u64) -> Result<(), ObjectError>;
}

/// What counts of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedSegment {
    /// Names it.
    pub fence: u64,
    /// Its committed bytes, from its start.
    pub length: u64,
}

/// What lies in a place for objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Media that have segments.
    pub unfinished: Vec<MediumId>,
    /// Finished objects.
    pub finished: Vec<MediumId>,
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
    /// The place belongs to another store.
    #[error(
        "{} holds the media of store {found}, not of {expected}: \
         give each store a directory of its own",
        root.display()
    )]
    OtherStore {
        /// The place.
        root: PathBuf,
        /// What its marker says.
        found: String,
        /// The store that wants to use it.
        expected: uuid::Uuid,
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
            Self::NotFound { .. } | Self::OtherStore { .. } | Self::Io { .. } => {
                ErrorCode::Internal
            }
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
