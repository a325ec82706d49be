//! Names in a folder that nothing has yet.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// `name`, "stem (2).extension", "stem (3).extension" and so on, all of them in `folder` and none
/// longer than a file system takes.
pub(crate) fn candidates(folder: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let path = Path::new(name);
    let extension = path.extension().and_then(OsStr::to_str).filter(|text| text.len() <= 16);
    let (stem, dot_extension) = match extension {
        Some(extension) => {
            let stem = &name[..name.len() - extension.len() - 1];
            (stem, format!(".{extension}"))
        }
        None => (name, String::new()),
    };
    let stem = stem.to_owned();
    (1..=CANDIDATES_MAX).map(move |number| {
        let end = match number {
            1 => dot_extension.clone(),
            _ => format!(" ({number}){dot_extension}"),
        };
        let room = NAME_BYTES_MAX.saturating_sub(end.len());
        folder.join(format!("{}{end}", &stem[..stem.floor_char_boundary(room)]))
    })
}

/// A file's name on the usual file systems.
const NAME_BYTES_MAX: usize = 255;
const CANDIDATES_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_extension() {
        for (name, second) in [
            ("photo.jpg", "photo (2).jpg"),
            ("README", "README (2)"),
            ("archive.tar.gz", "archive.tar (2).gz"),
            ("写真 1.png", "写真 1 (2).png"),
            ("What a day. It was the longest of all", "What a day. It was the longest of all (2)"),
        ] {
            let mut names = candidates(Path::new("in"), name);
            assert_eq!(names.next().unwrap(), Path::new("in").join(name));
            assert_eq!(names.next().unwrap(), Path::new("in").join(second));
        }
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        let long = format!("{}.txt", "ü".repeat(200));
        for path in candidates(Path::new("in"), &long).take(20) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(name.len() <= 255 && name.ends_with(".txt"), "{name}");
        }
    }
}
