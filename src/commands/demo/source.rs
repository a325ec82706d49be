//! The file that is sent, and its digest: computed here, by no part of what is demonstrated.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::failure::Failure;

/// What is to arrive.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
}

impl Source {
    /// Reads `file`, or this program.
    pub(super) async fn open(file: Option<PathBuf>) -> Result<Self, Failure> {
        let path = file.map_or_else(std::env::current_exe, Ok)?;
        let (size, sha256) = digest(&path).await.map_err(|error| {
            Failure::configuration(format!("cannot read {}: {error}", path.display()))
        })?;
        Ok(Self { path, size, sha256 })
    }
}

/// A file's length and its SHA-256.
pub(super) async fn digest(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let path = path.to_owned();
    spawn_blocking(move || {
        let mut file = File::open(path)?;
        let (mut hasher, mut piece, mut size) = (Sha256::new(), vec![0; PIECE_BYTES], 0);
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok((size, hasher.finalize().into()));
            }
            hasher.update(&piece[..length]);
            size += length as u64;
        }
    })
    .await?
}

/// Bytes read at a time.
const PIECE_BYTES: usize = 1024 * 1024;
