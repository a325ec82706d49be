//! What one request writes: a file of its own.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Paths, blocking, ignore_missing,
    layout::{Segment, Segments},
    sync_directory,
};
use crate::objects::{Layout, ObjectError, Unfinished, Writer};
use nudge_proto::limits::PART_BYTES;

/// Appends to the request's file, which is made with the first byte.
#[derive(Debug)]
pub(super) struct LocalWriter {
    paths: Paths,
    upload: Unfinished,
    /// What older requests wrote.
    before: Segments,
    file: Option<Arc<File>>,
    /// Bytes in the file.
    written: u64,
    /// Those that are on disk.
    synced: u64,
    /// Those that count.
    committed: u64,
}

impl LocalWriter {
    pub(super) const fn new(paths: Paths, upload: Unfinished, before: Segments) -> Self {
        Self { paths, upload, before, file: None, written: 0, synced: 0, committed: 0 }
    }

    fn path(&self) -> PathBuf {
        self.paths.segment(self.upload.id, self.upload.fence)
    }

    async fn file(&mut self) -> Result<Arc<File>, ObjectError> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let (path, uploads) = (self.path(), self.paths.uploads());
        let directory = self.paths.segments(self.upload.id);
        let file = blocking(move || {
            let failed = ObjectError::io("make a segment of an upload");
            fs::create_dir_all(&directory).map_err(failed)?;
            // A file of that name is a leftover of a fence that was never committed.
            let file = File::create(&path).map_err(failed)?;
            sync_directory(&directory)?;
            sync_directory(&uploads)?;
            Ok(file)
        });
        Ok(Arc::clone(self.file.insert(Arc::new(file.await?))))
    }
}

#[async_trait]
impl Writer for LocalWriter {
    fn room(&self) -> u64 {
        STEP_BYTES.saturating_sub(self.written - self.committed)
    }

    async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        let (file, length) = (self.file().await?, bytes.len() as u64);
        blocking(move || (&*file).write_all(&bytes).map_err(ObjectError::io("write to an upload")))
            .await?;
        self.written += length;
        Ok(())
    }

    async fn sync(&mut self) -> Result<Option<Layout>, ObjectError> {
        if self.written == self.committed {
            return Ok(None);
        }
        let file = self.file().await?;
        blocking(move || file.sync_data().map_err(ObjectError::io("sync an upload"))).await?;
        self.synced = self.written;
        let mine = Segment { fence: self.upload.fence, length: self.synced };
        Ok(Some(self.before.with(mine)))
    }

    async fn committed(&mut self) {
        self.committed = self.synced;
    }

    async fn give_back(&mut self) -> Result<(), ObjectError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let (path, length) = (self.path(), self.committed);
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

/// Bytes after which the upload is made durable: half a part, because what the sockets hold is lost
/// with it when a process dies.
const STEP_BYTES: u64 = PART_BYTES / 2;
