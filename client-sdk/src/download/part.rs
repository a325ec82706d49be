//! The part file: what has arrived of a download.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nudge_proto::limits::PART_BYTES;
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    Error,
    error::Result,
    files::{blocking, hash},
    model::Medium,
};

/// A file that grows, and the SHA-256 of what is in it. Locked while it is open.
///
/// Writing and hashing happen on a thread beside the network. Any of the futures may be dropped.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: Arc<File>,
    /// All bytes taken in, those on their way to the file included.
    length: u64,
    /// Of everything that was written.
    hasher: Sha256,
    /// Not on its way to the file yet.
    gathered: Vec<u8>,
    /// On its way to the file; gives the hasher of what lies there then.
    writing: Option<JoinHandle<io::Result<Sha256>>>,
    /// Bytes since the last sync.
    unsynced: u64,
}

impl Part {
    /// Opens what an earlier download left of the medium beside `target`, or begins.
    pub(super) async fn open(target: &Path, medium: &Medium) -> Result<Self> {
        let path = part_path(target, medium)?;
        let (opened, size) = (path.clone(), medium.size);
        let (file, length, hasher) = blocking(&path, move || {
            let file = open_locked(&opened)?;
            let mut length = file.metadata()?.len();
            if length > size {
                file.set_len(0)?;
                length = 0;
            }
            let hasher = hash(&file, length)?;
            Ok((file, length, hasher))
        })
        .await?;
        Ok(Self {
            path,
            file: Arc::new(file),
            length,
            hasher,
            gathered: Vec::new(),
            writing: None,
            unsynced: 0,
        })
    }

    /// Bytes that are there.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-256 of all bytes that are there.
    pub(super) async fn digest(&mut self) -> Result<[u8; 32]> {
        self.write_gathered().await?;
        self.wait_written().await?;
        Ok(self.hasher.clone().finalize().into())
    }

    pub(super) async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.gathered.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.gathered.len() >= WRITE_BYTES { self.write_gathered().await } else { Ok(()) }
    }

    /// Begins anew. What is on its way to the file comes first, the truncation after it, and later
    /// pieces wait for both, whether this future is dropped or not.
    pub(super) async fn clear(&mut self) -> Result<()> {
        self.gathered.clear();
        self.length = 0;
        let (before, file) = (self.writing.take(), Arc::clone(&self.file));
        self.writing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                // Whatever came of it is thrown away.
                let _ = before.await;
            }
            let cut = spawn_blocking(move || file.set_len(0)).await;
            cut.map_err(io::Error::other).flatten().map(|()| Sha256::new())
        }));
        self.wait_written().await
    }

    /// Gives it up.
    pub(super) async fn remove(&self) -> Result<()> {
        let path = self.path.clone();
        blocking(&self.path, move || std::fs::remove_file(path)).await
    }

    /// Gives the file its name; from here on it survives a power cut.
    pub(super) async fn finish(mut self, target: &Path) -> Result<PathBuf> {
        self.write_gathered().await?;
        self.wait_written().await?;
        let (from, to, file) = (self.path, target.to_owned(), self.file);
        blocking(target, move || {
            file.sync_all()?;
            std::fs::rename(&from, &to)?;
            sync_folder(&to)?;
            Ok(to)
        })
        .await
    }

    /// Sends what gathered on its way, once what went before has arrived.
    async fn write_gathered(&mut self) -> Result<()> {
        self.wait_written().await?;
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::replace(&mut self.gathered, Vec::with_capacity(2 * WRITE_BYTES));
        let (file, mut hasher) = (Arc::clone(&self.file), self.hasher.clone());
        let at = self.length - bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        let is_sync_due = self.unsynced >= PART_BYTES;
        if is_sync_due {
            self.unsynced = 0;
        }
        self.writing = Some(spawn_blocking(move || {
            let mut file = file.as_ref();
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&bytes)?;
            hasher.update(&bytes);
            if is_sync_due {
                file.sync_data()?;
            }
            Ok(hasher)
        }));
        Ok(())
    }

    async fn wait_written(&mut self) -> Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let written = writing.await.map_err(io::Error::other).flatten();
        self.writing = None;
        self.hasher = written.map_err(Error::file(&self.path))?;
        Ok(())
    }
}

/// Hidden, beside the target: renaming works within one file system only.
fn part_path(target: &Path, medium: &Medium) -> Result<PathBuf> {
    if target.file_name().is_none() {
        return Err(Error::InvalidInput(format!("{} is no name for a file", target.display())));
    }
    Ok(target.with_file_name(format!(".{}.part", medium.id)))
}

/// The part under this path, and nobody else's: who waits for the lock may find that the file was
/// finished and renamed, or removed, meanwhile.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        lock(&file)?;
        if is_at(path, &file)? {
            return Ok(file);
        }
    }
}

fn lock(file: &File) -> io::Result<()> {
    // A download that was dropped a moment ago may still be writing its last piece.
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                std::thread::sleep(LOCK_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another download of the same medium is on its way here",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Whether the file still has this path.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file is not renamed or removed here.
#[cfg(not(unix))]
fn is_at(_path: &Path, _file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// Bytes written at a time.
const WRITE_BYTES: usize = 256 * 1024;
/// How long another download may take to let go of the part.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often the part's lock is tried meanwhile.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_being_let_go_of_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let first = open_locked(&path).unwrap();
        let waiting = std::thread::spawn(move || open_locked(&path).map(drop));
        std::thread::sleep(4 * LOCK_INTERVAL);
        assert!(!waiting.is_finished(), "the second did not wait for the first");
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_part_that_was_finished_while_it_was_waited_for_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let mut first = open_locked(&path).unwrap();
        first.write_all(b"whole").unwrap();
        let waited_for = path.clone();
        let waiting = std::thread::spawn(move || open_locked(&waited_for).unwrap());
        std::thread::sleep(4 * LOCK_INTERVAL);
        std::fs::rename(&path, folder.path().join("done")).unwrap();
        drop(first);
        assert_eq!(waiting.join().unwrap().metadata().unwrap().len(), 0);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_part_that_is_cleared_by_a_future_nobody_waits_for_has_no_hole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("film.bin");
        let medium = Medium {
            id: nudge_proto::MediumId::random(),
            file_name: String::new(),
            content_type: String::new(),
            size: 10,
            sha256: Sha256::digest(b"0123456789").into(),
        };
        let mut part = Part::open(&target, &medium).await.unwrap();
        part.append(b"wrong").await.unwrap();
        part.digest().await.unwrap();
        {
            let mut clear = std::pin::pin!(part.clear());
            let _ = futures::poll!(clear.as_mut());
        }
        assert_eq!(part.length(), 0);
        part.append(b"0123456789").await.unwrap();
        assert_eq!(part.digest().await.unwrap(), medium.sha256);
        part.finish(&target).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"0123456789");
    }

    #[test]
    fn a_part_that_is_in_use_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let _first = open_locked(&path).unwrap();
        let error = open_locked(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
    }
}
