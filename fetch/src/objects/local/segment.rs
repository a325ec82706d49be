//! A segment that is being written.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use nudge_proto::MediumId;

use super::{Layout, blocking, ignore_missing, sync_directory};
use crate::objects::{ObjectError, Segment};

/// A file that only its one writer appends to.
#[derive(Debug)]
pub(super) struct LocalSegment {
    file: Arc<File>,
    path: PathBuf,
}

impl LocalSegment {
    pub(super) fn create(layout: &Layout, id: MediumId, fence: u64) -> Result<Self, ObjectError> {
        let failed = ObjectError::io("make a segment of an upload");
        let directory = layout.segments(id);
        fs::create_dir_all(&directory).map_err(failed)?;
        // A file of that name is a leftover of a fence that was never committed.
        let path = layout.segment(id, fence);
        let file = File::create(&path).map_err(failed)?;
        sync_directory(&directory)?;
        sync_directory(&layout.uploads())?;
        Ok(Self { file: Arc::new(file), path })
    }
}

#[async_trait]
impl Segment for LocalSegment {
    async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        let file = Arc::clone(&self.file);
        blocking(move || (&*file).write_all(&bytes).map_err(ObjectError::io("write to an upload")))
            .await
    }

    async fn sync(&mut self) -> Result<(), ObjectError> {
        let file = Arc::clone(&self.file);
        blocking(move || file.sync_data().map_err(ObjectError::io("sync an upload"))).await
    }

    async fn cut(&mut self, length: u64) -> Result<(), ObjectError> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        blocking(move || {
            let cut = match length {
                0 => ignore_missing(fs::remove_file(path)),
                // By its handle: the name may be another's by now.
                _ => file.set_len(length),
            };
            cut.map_err(ObjectError::io("cut a segment of an upload"))
        })
        .await
    }
}
