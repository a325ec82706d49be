//! Segments become one object.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::Path,
};

use nudge_proto::MediumId;
use uuid::Uuid;

use super::{Layout, sync_directory};
use crate::objects::{CommittedSegment, ObjectError};

pub(super) fn finish(
    layout: &Layout,
    id: MediumId,
    segments: &[CommittedSegment],
) -> Result<(), ObjectError> {
    let size = segments.iter().map(|segment| segment.length).sum();
    if is_finished(layout, id, size)? {
        return sync_directory(&layout.media());
    }
    match assemble(layout, id, segments) {
        // Another request finished the same upload meanwhile, and took the segments with it.
        Err(ObjectError::NotFound { .. }) if is_finished(layout, id, size)? => {}
        other => other?,
    }
    sync_directory(&layout.media())
}

fn is_finished(layout: &Layout, id: MediumId, size: u64) -> Result<bool, ObjectError> {
    match fs::metadata(layout.finished(id)) {
        Ok(metadata) => Ok(metadata.len() == size),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ObjectError::io("look at a medium")(error)),
    }
}

fn assemble(
    layout: &Layout,
    id: MediumId,
    segments: &[CommittedSegment],
) -> Result<(), ObjectError> {
    if let [only] = segments {
        let path = layout.segment(id, only.fence);
        // A longer one has a tail that was never committed: that one is copied.
        if length(&path, id)? == only.length {
            return rename(&path, layout, id);
        }
    }
    let directory = layout.segments(id);
    let failed = ObjectError::io("put a medium together");
    fs::create_dir_all(&directory).map_err(failed)?;
    let whole = directory.join(format!("whole.{}", Uuid::new_v4()));
    let made = copy(layout, id, segments, &whole).and_then(|()| rename(&whole, layout, id));
    if made.is_err() {
        // It takes the room that may be what is missing; the collector gets what stays.
        let _ = fs::remove_file(&whole);
    }
    made
}

fn copy(
    layout: &Layout,
    id: MediumId,
    segments: &[CommittedSegment],
    whole: &Path,
) -> Result<(), ObjectError> {
    let failed = ObjectError::io("put a medium together");
    let mut whole = File::create(whole).map_err(|error| missing_or(error, id))?;
    for segment in segments {
        let source = File::open(layout.segment(id, segment.fence));
        let source = source.map_err(|error| missing_or(error, id))?;
        // In the kernel where it can.
        let copied = io::copy(&mut source.take(segment.length), &mut whole).map_err(failed)?;
        if copied != segment.length {
            return Err(ObjectError::NotFound { id, what: "a segment" });
        }
    }
    whole.sync_all().map_err(failed)
}

fn rename(path: &Path, layout: &Layout, id: MediumId) -> Result<(), ObjectError> {
    fs::rename(path, layout.finished(id)).map_err(|error| missing_or(error, id))
}

fn length(path: &Path, id: MediumId) -> Result<u64, ObjectError> {
    fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| missing_or(error, id))
}

fn missing_or(error: io::Error, id: MediumId) -> ObjectError {
    if error.kind() == ErrorKind::NotFound {
        return ObjectError::NotFound { id, what: "a segment" };
    }
    ObjectError::io("put a medium together")(error)
}
