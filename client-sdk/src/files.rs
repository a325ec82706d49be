//! Reading and replacing files.

use std::{fs::File, io, path::Path, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::{Error, error::Result};

/// What tells a file from a later version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
}

impl FileStamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an ordinary file"));
        }
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ns = i64::try_from(modified.as_nanos()).unwrap_or(i64::MAX);
        Ok(Self { size: metadata.len(), modified_ns })
    }
}

/// Opens a file that must be what it was.
pub(crate) async fn open_unchanged(path: &Path, stamp: FileStamp) -> Result<Arc<File>> {
    let (file, found) = open(path).await?;
    if found != stamp {
        return Err(Error::FileChanged { path: path.to_owned() });
    }
    Ok(Arc::new(file))
}

/// Opens a file for reading.
pub(crate) async fn open(path: &Path) -> Result<(File, FileStamp)> {
    let opened = path.to_owned();
    blocking(path, move || {
        let file = File::open(opened)?;
        let stamp = FileStamp::of(&file)?;
        Ok((file, stamp))
    })
    .await
}

/// The SHA-256 of a file's first `size` bytes.
pub(crate) async fn digest(path: &Path, file: Arc<File>, size: u64) -> Result<[u8; 32]> {
    blocking(path, move || Ok(hash(&file, size)?.finalize().into())).await
}

/// The running SHA-256 after a file's first `size` bytes.
pub(crate) fn hash(file: &File, size: u64) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut offset = 0;
    while offset < size {
        let piece = read_at(file, offset, HASH_BYTES.min(size - offset))?;
        hasher.update(&piece);
        offset += piece.len() as u64;
    }
    Ok(hasher)
}

/// Exactly `length` bytes from `offset` on; a file that has become shorter is an error.
pub(crate) fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    read_exact_at(file, &mut bytes, offset)?;
    Ok(bytes.into())
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(Error::file(path))
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

/// Bytes hashed at a time.
const HASH_BYTES: u64 = 1024 * 1024;
