//! Directories whose names survive a power cut.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
};

/// Makes a directory with all that lead to it, for this user alone, and its name durable: what is
/// synced in a directory that nothing leads to after a crash is lost.
///
/// # Errors
///
/// What the system says; a file in the way is an error, a directory that is there is none.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if !parent.exists() {
        make_directory(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    // Also when it was there: who made it may have died before this.
    sync_directory(parent)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_is_made_with_its_parents_for_this_user_alone_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        for _ in 0..2 {
            make_directory(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(make_directory(&folder.path().join("file")).is_err());
        assert!(make_directory(&folder.path().join("file/below")).is_err());
    }
}
