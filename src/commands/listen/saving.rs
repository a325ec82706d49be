//! Files that come with messages, saved under names of their own.
//!
//! A file is first brought to a hidden name that only this message's file can have, and then linked
//! to the first free name: whatever stops the program, the next run finds how far it was, and nothing
//! that exists is ever replaced.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nudge_client_sdk::{Client, Downloaded, Error, Medium, Message};

use crate::{bars, free_name};

/// One file of a message, on its way into a folder.
#[derive(Debug)]
pub(super) struct Saving<'s> {
    folder: &'s Path,
    medium: &'s Medium,
    hidden: PathBuf,
}

impl<'s> Saving<'s> {
    /// All files of a message.
    pub(super) fn all(folder: &'s Path, message: &'s Message) -> impl Iterator<Item = Self> {
        message.media.iter().enumerate().map(move |(index, medium)| {
            let hidden = folder.join(format!(".{}-{index}", message.id));
            Self { folder, medium, hidden }
        })
    }

    /// What is saved.
    pub(super) const fn medium(&self) -> &'s Medium {
        self.medium
    }

    /// Brings it, or goes on with bringing it; where it lies then.
    pub(super) async fn save(&self, client: &Client) -> Result<(PathBuf, Downloaded), Error> {
        let downloaded = match self.arrived_before() {
            Some(downloaded) => downloaded,
            None => {
                let mut download = client.download(self.medium, &self.hidden);
                bars::follow_download(&mut download).await?
            }
        };
        let path =
            self.link().map_err(|source| Error::File { path: self.hidden.clone(), source })?;
        Ok((path, downloaded))
    }

    /// Forgets how far it was: whoever waits for it knows.
    pub(super) fn settle(&self) {
        // It may be settled already.
        let _ = fs::remove_file(&self.hidden);
    }

    /// The hidden file is never there before it was verified.
    fn arrived_before(&self) -> Option<Downloaded> {
        let bytes = fs::metadata(&self.hidden).ok()?.len();
        (bytes == self.medium.size).then(|| Downloaded {
            path: self.hidden.clone(),
            bytes,
            bytes_fetched: 0,
            resumed_from: bytes,
            sha256: self.medium.sha256,
        })
    }

    fn link(&self) -> io::Result<PathBuf> {
        for path in free_name::candidates(self.folder, &self.medium.safe_file_name()) {
            match fs::hard_link(&self.hidden, &path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !is_same_file(&self.hidden, &path)? {
                        continue;
                    }
                }
                // A file system without links: the name may be taken in the very last moment.
                Err(_) if !path.exists() => fs::rename(&self.hidden, &path)?,
                Err(_) => continue,
            }
            File::open(self.folder)?.sync_all()?;
            return Ok(path);
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is no free name in the folder"))
    }
}

fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
