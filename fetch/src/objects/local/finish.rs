//! Segments become one object.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::Path,
};

use nudge_proto::MediumId;
use uuid::Uuid;

use super::{
    Paths,
    layout::{Segment, Segments},
    sync_directory,
};
use crate::objects::ObjectError;

pub(super) fn finish(
    paths: &Paths,
    id: MediumId,
    size: u64,
    segments: &Segments,
) -> Result<(), ObjectError> {
    if segments.length() != size {
        return Err(ObjectError::NotFound { id, what: "a segment" });
    }
    if is_finished(paths, id, size)? {
        return sync_directory(&paths.media());
    }
    match assemble(paths, id, &segments.0) {
        // Another request finished the same upload meanwhile, and took the segments with it.
        Err(ObjectError::NotFound { .. }) if is_finished(paths, id, size)? => {}
        other => other?,
    }
    sync_directory(&paths.media())
}

fn is_finished(paths: &Paths, id: MediumId, size: u64) -> Result<bool, ObjectError> {
    match fs::metadata(paths.finished(id)) {
        Ok(metadata) => Ok(metadata.len() == size),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ObjectError::io("look at a medium")(error)),
    }
}

fn assemble(paths: &Paths, id: MediumId, segments: &[Segment]) -> Result<(), ObjectError> {
    if let [only] = segments {
        let path = paths.segment(id, only.fence);
        // A longer one has a tail that was never committed: that one is copied.
        if length(&path, id)? == only.length {
            return rename(&path, paths, id);
        }
    }
    let directory = paths.segments(id);
    let failed = ObjectError::io("put a medium together");
    fs::create_dir_all(&directory).map_err(failed)?;
    let whole = directory.join(format!("whole.{}", Uuid::new_v4()));
    let made = copy(paths, id, segments, &whole).and_then(|()| rename(&whole, paths, id));
    if made.is_err() {
        // It takes the room that may be what is missing; the collector gets what stays.
        let _ = fs::remove_file(&whole);
    }
    made
}

fn copy(
    paths: &Paths,
    id: MediumId,
    segments: &[Segment],
    whole: &Path,
) -> Result<(), ObjectError> {
    let failed = ObjectError::io("put a medium together");
    let mut whole = File::create(whole).map_err(|error| missing_or(error, id))?;
    for segment in segments {
        let source = File::open(paths.segment(id, segment.fence));
        let source = source.map_err(|error| missing_or(error, id))?;
        // In the kernel where it can.
        let copied = io::copy(&mut source.take(segment.length), &mut whole).map_err(failed)?;
        if copied != segment.length {
            return Err(ObjectError::NotFound { id, what: "a segment" });
        }
    }
    whole.sync_all().map_err(failed)
}

fn rename(path: &Path, paths: &Paths, id: MediumId) -> Result<(), ObjectError> {
    fs::rename(path, paths.finished(id)).map_err(|error| missing_or(error, id))
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
