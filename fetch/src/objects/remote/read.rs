//! Reading an object, as fast as it is asked for.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use nudge_proto::MediumId;
use object_store::{Error, path::Path};

use super::{failure::failed, place::Place};
use crate::objects::{ByteStream, ObjectError, ObjectName};

pub(super) async fn read(
    place: &Arc<Place>,
    id: MediumId,
    object: &ObjectName,
    range: Range<u64>,
) -> Result<ByteStream, ObjectError> {
    let missing = || ObjectError::NotFound { id, what: "the object" };
    if range.is_empty() {
        let length = place.length(id, object).await?.ok_or_else(missing)?;
        return if length < range.end { Err(missing()) } else { Ok(stream::empty().boxed()) };
    }
    let path = place.path(id, object);
    let current = place.get(&path, range.clone()).await?.ok_or_else(missing)?;
    let reading = Reading { place: Arc::clone(place), id, path, left: range, current, failures: 0 };
    Ok(stream::try_unfold(reading, Reading::next).boxed())
}

/// A download that goes on where it stood when the object store breaks it off.
struct Reading {
    place: Arc<Place>,
    id: MediumId,
    path: Path,
    left: Range<u64>,
    current: BoxStream<'static, Result<Bytes, Error>>,
    /// Since the last byte.
    failures: u32,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ObjectError> {
        while !self.left.is_empty() {
            match self.current.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(mut bytes)) => {
                    let left = self.left.end - self.left.start;
                    bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    self.left.start += bytes.len() as u64;
                    self.failures = 0;
                    return Ok(Some((bytes, self)));
                }
                broken if self.failures < FAILURES_MAX => {
                    tracing::debug!(?broken, id = %self.id, at = self.left.start, "a read goes on");
                    self.failures += 1;
                    let again = self.place.get(&self.path, self.left.clone()).await?;
                    let missing = ObjectError::NotFound { id: self.id, what: "the object" };
                    self.current = again.ok_or(missing)?;
                }
                Some(Err(error)) => return Err(failed("read from the object store")(error)),
                None => return Err(ObjectError::NotFound { id: self.id, what: "the object" }),
            }
        }
        Ok(None)
    }
}

/// Times that a read goes on without a byte in between.
const FAILURES_MAX: u32 = 2;
