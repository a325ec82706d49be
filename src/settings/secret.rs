use std::path::Path;

use crate::failure::Failure;

/// More than any secret or certificate has, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What stands in the setting itself, or in its file; a file's last line break is not part of it.
pub(crate) fn secret(
    name: &str,
    value: Option<String>,
    file: Option<&Path>,
) -> Result<Option<String>, Failure> {
    match (value, file) {
        (Some(_), Some(_)) => Err(Failure::configuration(format!(
            "--{name} and --{name}-file are both given: keep one of them"
        ))),
        (None, Some(file)) => {
            let text = String::from_utf8(read_file(file)?)
                .map_err(|_| Failure::configuration(format!("{} is no text", file.display())))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (value, None) => Ok(value),
    }
}

/// A file that the operator named.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |reason: &dyn std::fmt::Display| {
        Failure::configuration(format!("cannot read {}: {reason}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|error| cannot(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(cannot(&format!(
            "it has {size} bytes, and at most {FILE_BYTES_MAX} make sense"
        )));
    }
    std::fs::read(path).map_err(|error| cannot(&error))
}
