//! The directory's markers, each a file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use async_trait::async_trait;

use super::{Paths, blocking, ignore_missing, sync_directory};
use crate::objects::{
    ObjectError,
    marker::{MARKER, Markable, Marker},
};

#[async_trait]
impl Markable for Paths {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    async fn markers(&self) -> Result<Vec<String>, ObjectError> {
        let root = self.root.clone();
        blocking(move || read(&root).map_err(FAILED)).await
    }

    async fn is_empty(&self) -> Result<bool, ObjectError> {
        let directories = [self.uploads(), self.media()];
        blocking(move || {
            for directory in directories {
                if fs::read_dir(directory).map_err(FAILED)?.next().is_some() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    async fn mark(&self, marker: Marker) -> Result<(), ObjectError> {
        let root = self.root.clone();
        blocking(move || {
            write(&root, marker).map_err(FAILED)?;
            sync_directory(&root)
        })
        .await
    }

    async fn unmark(&self, marker: Marker) -> Result<(), ObjectError> {
        let path = self.root.join(marker.file_name());
        blocking(move || ignore_missing(fs::remove_file(path)).map_err(FAILED)).await
    }
}

fn read(root: &Path) -> io::Result<Vec<String>> {
    let mut markers = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        // One that is being written counts once it has its name.
        if name.to_str().is_some_and(|name| name.starts_with(MARKER) && !name.ends_with(NEW)) {
            // One that is gone by now was taken back.
            match fs::read_to_string(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                text => markers.push(text?),
            }
        }
    }
    Ok(markers)
}

/// Whole or not at all, like everything here.
fn write(root: &Path, marker: Marker) -> io::Result<()> {
    let path = root.join(marker.file_name());
    let new = root.join(format!("{}{NEW}", marker.file_name()));
    let mut file = File::create(&new)?;
    write!(file, "{marker}")?;
    file.sync_all()?;
    fs::rename(new, path)
}

const NEW: &str = ".new";

const FAILED: fn(io::Error) -> ObjectError =
    |source| ObjectError::io("read or write the marker of the media directory")(source);
