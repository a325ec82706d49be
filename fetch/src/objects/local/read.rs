//! A range of a file, read as the connection takes it.
//!
//! What the page cache has is read at once, on the thread that asks: a hop to another thread would cost
//! more than the copy. What it has not is read on a thread that may wait.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use nudge_proto::MediumId;
use tokio::task::JoinHandle;

use super::{
    blocking,
    buffers::{Buffer, CHUNK_BYTES},
};
use crate::objects::ObjectError;

/// Opens a finished object that has at least `end` bytes.
pub(super) async fn open(path: &Path, id: MediumId, end: u64) -> Result<File, ObjectError> {
    let opened = match open_cached(path) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let path = path.to_owned();
            blocking(move || Ok(File::open(path))).await?
        }
        opened => opened,
    };
    let missing = ObjectError::NotFound { id, what: "the object" };
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing),
        other => other.map_err(ObjectError::io("open a medium"))?,
    };
    let length = file.metadata().map_err(ObjectError::io("open a medium"))?.len();
    if length < end { Err(missing) } else { Ok(file) }
}

/// The bytes of a range: one chunk is in memory, and the next is read when it is asked for.
pub(super) struct FileRange {
    file: Arc<File>,
    id: MediumId,
    left: Range<u64>,
    /// A chunk that a thread is waiting for.
    waiting: Option<JoinHandle<io::Result<Buffer>>>,
}

impl FileRange {
    pub(super) fn new(file: File, id: MediumId, range: Range<u64>) -> Self {
        Self { file: Arc::new(file), id, left: range, waiting: None }
    }

    fn take(&mut self, read: io::Result<Buffer>) -> Result<Bytes, ObjectError> {
        let buffer = read.map_err(ObjectError::io("read a medium"))?;
        if buffer.filled() == 0 {
            return Err(ObjectError::NotFound { id: self.id, what: "the object" });
        }
        self.left.start += buffer.filled() as u64;
        Ok(buffer.into())
    }
}

impl Stream for FileRange {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ObjectError>>> {
        if let Some(waiting) = &mut self.waiting {
            let read = ready!(Pin::new(waiting).poll(context));
            self.waiting = None;
            let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
            return Poll::Ready(Some(self.take(read)));
        }
        let length = (self.left.end - self.left.start).min(CHUNK_BYTES as u64) as usize;
        if length == 0 {
            return Poll::Ready(None);
        }
        let (mut buffer, offset) = (Buffer::take(), self.left.start);
        let read = buffer.fill(length, |bytes| read_cached(&self.file, bytes, offset));
        match read {
            // Not in memory, or nobody here can tell: the thread that may wait says what is wrong.
            Err(_) => {
                let file = Arc::clone(&self.file);
                self.waiting = Some(tokio::task::spawn_blocking(move || {
                    buffer.fill(length, |bytes| read_waiting(&file, bytes, offset))?;
                    Ok(buffer)
                }));
                self.poll_next(context)
            }
            Ok(()) => Poll::Ready(Some(self.take(Ok(buffer)))),
        }
    }
}

fn read_waiting(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Reads what is in memory; preadv2(2).
#[cfg(target_os = "linux")]
fn read_cached(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut bytes = [io::IoSliceMut::new(bytes)];
    Ok(preadv2(file, &mut bytes, offset, ReadWriteFlags::NOWAIT)?)
}

/// Opens what can be opened without waiting; openat2(2).
#[cfg(target_os = "linux")]
fn open_cached(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::NOENT) => Err(io::ErrorKind::NotFound.into()),
        // An old kernel, or one that must look at the disk.
        Err(_) => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _bytes: &mut [u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(not(target_os = "linux"))]
fn open_cached(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures::TryStreamExt;

    use super::*;

    async fn read(file: &File, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let file = file.try_clone().unwrap();
        let chunks = FileRange::new(file, MediumId::random(), range);
        let chunks: Vec<Bytes> = chunks.try_collect().await?;
        assert!(chunks.iter().all(|chunk| (1..=CHUNK_BYTES).contains(&chunk.len())));
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn a_range_is_the_same_in_memory_and_on_the_disk() {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
        for range in [0..1, 65_535..65_537, 300_000..900_000, 5..5, 0..1_000_000] {
            let expected = &bytes[range.start as usize..range.end as usize];
            assert!(read(&file, range.clone()).await.unwrap() == expected, "{range:?}");
            #[cfg(target_os = "linux")]
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            assert!(read(&file, range.clone()).await.unwrap() == expected, "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_range_beyond_the_end_of_the_file_ends_with_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello").unwrap();
        for range in [0..6, 5..6, 100..200] {
            let outcome = read(&file, range).await;
            assert!(matches!(outcome, Err(ObjectError::NotFound { .. })), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_opened_and_neither_is_what_is_too_short() {
        let folder = tempfile::tempdir().unwrap();
        let (id, path) = (MediumId::random(), folder.path().join("object"));
        assert!(matches!(open(&path, id, 0).await, Err(ObjectError::NotFound { .. })));
        std::fs::write(&path, b"hello").unwrap();
        open(&path, id, 5).await.unwrap();
        assert!(matches!(open(&path, id, 6).await, Err(ObjectError::NotFound { .. })));
    }
}
