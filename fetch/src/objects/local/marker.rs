//! The marker that ties a directory to its store.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use uuid::Uuid;

use crate::objects::ObjectError;

/// Marks the directory as the store's, or checks that it is.
pub(super) fn claim(root: &Path, store_id: Uuid) -> Result<(), ObjectError> {
    let path = root.join("store-id");
    let failed = ObjectError::io("read or write the marker of the media directory");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == store_id.to_string() => Ok(()),
        Ok(found) => Err(other_store(root, found.trim(), store_id)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !is_empty(root).map_err(failed)? {
                return Err(other_store(root, "an unknown id (its marker is gone)", store_id));
            }
            write(&path, store_id).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn other_store(root: &Path, found: &str, expected: Uuid) -> ObjectError {
    let found = found.chars().take(64).collect();
    ObjectError::OtherStore { root: root.to_owned(), found, expected }
}

/// A directory that lost its marker is not taken for a new one.
fn is_empty(root: &Path) -> std::io::Result<bool> {
    for directory in ["uploads", "media"] {
        if fs::read_dir(root.join(directory))?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whole or not at all, like everything here.
fn write(path: &Path, store_id: Uuid) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{store_id}")?;
    file.sync_all()?;
    fs::rename(new, path)
}
