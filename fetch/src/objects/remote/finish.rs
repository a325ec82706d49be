//! An upload becomes one object.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use nudge_proto::MediumId;

use super::{
    layout::{Lies, PART_BYTES, Piece, Run},
    place::Place,
    read,
};
use crate::objects::{ObjectError, ObjectName};

pub(super) async fn finish(
    place: &Arc<Place>,
    id: MediumId,
    size: u64,
    lies: Lies,
) -> Result<ObjectName, ObjectError> {
    if lies.length() != size {
        return Err(ObjectError::NotFound { id, what: "a part" });
    }
    let mut pieces = lies.sealed;
    if let Some(run) = lies.run.filter(|run| !run.parts.is_empty()) {
        pieces.push(place.complete(id, &run).await?);
    }
    pieces.extend(lies.tail);
    match pieces.as_slice() {
        [] => Ok(place.put(id, Vec::new()).await?.name),
        [only] => match place.length(id, &only.name).await? {
            Some(length) if length == only.length => Ok(only.name.clone()),
            // Too short is found out by reading it.
            Some(_) => assemble(place, id, &pieces).await,
            None => Err(ObjectError::Lost { id, what: "the object" }),
        },
        _ => assemble(place, id, &pieces).await,
    }
}

/// Copies the pieces to one object, a part at a time.
async fn assemble(
    place: &Arc<Place>,
    id: MediumId,
    pieces: &[Piece],
) -> Result<ObjectName, ObjectError> {
    let mut run = place.begin(id).await?;
    let copied = copy(place, id, pieces, &mut run).await;
    let completed = match copied {
        Ok(()) => place.complete(id, &run).await,
        Err(error) => Err(error),
    };
    if completed.is_err() {
        // What stays, the collector finds.
        let _ = place.abort(id, &run.multipart()).await;
    }
    Ok(completed?.name)
}

async fn copy(
    place: &Arc<Place>,
    id: MediumId,
    pieces: &[Piece],
    run: &mut Run,
) -> Result<(), ObjectError> {
    let mut part = Part::default();
    for piece in pieces {
        let read = read::read(place, id, &piece.name, 0..piece.length).await;
        let mut bytes = read.map_err(lost)?;
        while let Some(mut bytes) = bytes.try_next().await? {
            while let Some(full) = part.take(&mut bytes) {
                place.put_part(id, run, full).await?;
            }
        }
    }
    if part.length > 0 {
        place.put_part(id, run, part.bytes).await?;
    }
    Ok(())
}

/// No name is used twice: what is not there now was there, and was removed.
fn lost(error: ObjectError) -> ObjectError {
    if let ObjectError::NotFound { id, what } = error {
        return ObjectError::Lost { id, what };
    }
    error
}

/// A part in the making.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) bytes: Vec<Bytes>,
    pub(super) length: u64,
}

impl Part {
    /// Bytes that it still takes.
    pub(super) const fn room(&self) -> u64 {
        PART_BYTES - self.length
    }

    /// Takes what there is room for.
    pub(super) fn push(&mut self, bytes: &mut Bytes) {
        let taken = bytes.split_to(bytes.len().min(self.room() as usize));
        self.length += taken.len() as u64;
        self.bytes.push(taken);
    }

    /// Takes what there is room for, and gives what is full by that.
    fn take(&mut self, bytes: &mut Bytes) -> Option<Vec<Bytes>> {
        self.push(bytes);
        (self.room() == 0).then(|| std::mem::take(self).bytes)
    }
}
