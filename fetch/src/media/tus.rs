//! What the headers of tus 1.0 say, <https://tus.io/protocols/resumable-upload>.

use base64::{Engine, engine::general_purpose::STANDARD};
use nudge_proto::{
    RequestId,
    limits::{CONTENT_TYPE_BYTES_MAX, FILE_NAME_BYTES_MAX},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::MediaError;

/// The version that this server speaks.
pub const VERSION: &str = "1.0.0";
/// The extensions that it has.
pub const EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
/// The algorithms of Upload-Checksum that it knows.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256";
/// The content type of a body that is part of an upload.
pub const BODY_TYPE: &str = "application/offset+octet-stream";

/// What Upload-Metadata says of the medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `filename`, or empty.
    pub file_name: String,
    /// `content_type` or `filetype`; otherwise `application/octet-stream`.
    pub content_type: String,
    /// `sha256`: what all bytes must have.
    pub sha256: Option<[u8; 32]>,
    /// `request_id`: a retried creation answers with the same upload.
    pub request_id: Option<RequestId>,
}

impl Metadata {
    /// Reads the header: pairs of a key and a value in base64, keys that mean nothing here ignored.
    ///
    /// # Errors
    ///
    /// [`MediaError::Invalid`] says which key.
    pub fn parse(header: &str) -> Result<Self, MediaError> {
        let mut metadata =
            Self { content_type: "application/octet-stream".to_owned(), ..Self::default() };
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = STANDARD.decode(encoded.trim()).ok();
            let value = value.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                MediaError::Invalid(format!(
                    "the value of {key:?} in Upload-Metadata must be UTF-8 text in base64"
                ))
            })?;
            metadata.set(key, value)?;
        }
        Ok(metadata)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), MediaError> {
        match key {
            "filename" => self.file_name = limited(key, value, FILE_NAME_BYTES_MAX)?,
            "content_type" | "filetype" if !value.is_empty() => {
                self.content_type = limited(key, value, CONTENT_TYPE_BYTES_MAX)?;
            }
            "sha256" => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(&value, &mut sha256).map_err(|_| {
                    MediaError::Invalid(format!(
                        "sha256 in Upload-Metadata must be 64 hexadecimal digits, not {value:?}"
                    ))
                })?;
                self.sha256 = Some(sha256);
            }
            "request_id" => {
                let id = value.parse().map_err(|error| {
                    MediaError::Invalid(format!("request_id in Upload-Metadata: {error}"))
                })?;
                self.request_id = Some(id);
            }
            _ => {}
        }
        Ok(())
    }
}

fn limited(key: &str, value: String, bytes_max: usize) -> Result<String, MediaError> {
    if value.len() > bytes_max {
        return Err(MediaError::Invalid(format!(
            "{key} in Upload-Metadata may have {bytes_max} bytes at most, not {}",
            value.len()
        )));
    }
    // No file system has such a name, and no database of ours such a text.
    if value.contains('\0') {
        return Err(MediaError::Invalid(format!("{key} in Upload-Metadata has a zero byte")));
    }
    Ok(value)
}

/// A number in a header: decimal digits only.
///
/// # Errors
///
/// [`MediaError::Invalid`] names the header.
pub fn number(header: &str, value: &str) -> Result<u64, MediaError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { value.parse().ok() } else { None };
    number.filter(|&number| number <= NUMBER_MAX).ok_or_else(|| {
        let value: String = value.chars().take(32).collect();
        MediaError::Invalid(format!("{header} must be a number of bytes, not {value:?}"))
    })
}

/// The checksum of one request's body, on its way.
#[derive(Clone, Debug)]
pub struct BodyChecksum {
    expected: Vec<u8>,
    running: Algorithm,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl BodyChecksum {
    /// Reads Upload-Checksum: an algorithm, a space, the checksum in base64.
    ///
    /// # Errors
    ///
    /// [`MediaError::Invalid`]; tus wants 400 for an algorithm that the server does not know.
    pub fn parse(header: &str) -> Result<Self, MediaError> {
        let (name, encoded) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        let (running, length) = match name {
            "sha1" => (Algorithm::Sha1(Sha1::new()), 20),
            "sha256" => (Algorithm::Sha256(Sha256::new()), 32),
            _ => {
                return Err(MediaError::Invalid(format!(
                    "Upload-Checksum must name one of {CHECKSUM_ALGORITHMS}, not {name:?}"
                )));
            }
        };
        match STANDARD.decode(encoded.trim()) {
            Ok(expected) if expected.len() == length => Ok(Self { expected, running }),
            _ => Err(MediaError::Invalid(format!(
                "Upload-Checksum must have {length} bytes in base64 after {name}"
            ))),
        }
    }

    /// Takes more of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.running {
            Algorithm::Sha1(running) => running.update(bytes),
            Algorithm::Sha256(running) => running.update(bytes),
        }
    }

    /// Whether the body had it.
    #[must_use]
    pub fn holds(self) -> bool {
        match self.running {
            Algorithm::Sha1(running) => running.finalize()[..] == self.expected,
            Algorithm::Sha256(running) => running.finalize()[..] == self.expected,
        }
    }
}

/// What a database's signed number can hold.
const NUMBER_MAX: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(key: &str, value: &str) -> String {
        format!("{key} {}", STANDARD.encode(value))
    }

    #[test]
    fn metadata_is_read_and_what_is_unknown_is_ignored() {
        let id = RequestId::random();
        let header = [
            pair("filename", "süß.jpg"),
            pair("filetype", "image/jpeg"),
            pair("request_id", &id.to_string()),
            pair("sha256", &"ab".repeat(32)),
            pair("colour", "blue"),
            "is_confidential".to_owned(),
        ]
        .join(",");
        let metadata = Metadata::parse(&header).unwrap();
        assert_eq!(metadata.file_name, "süß.jpg");
        assert_eq!(metadata.content_type, "image/jpeg");
        assert_eq!(metadata.request_id, Some(id));
        assert_eq!(metadata.sha256, Some([0xab; 32]));
        let empty = Metadata::parse("").unwrap();
        assert_eq!(empty.content_type, "application/octet-stream");
        assert_eq!(empty.file_name, "");
    }

    #[test]
    fn metadata_that_cannot_be_meant_is_refused_by_name() {
        for header in [
            "filename !".to_owned(),
            format!("filename {}", STANDARD.encode([0xff, 0xfe])),
            pair("filename", &"x".repeat(FILE_NAME_BYTES_MAX + 1)),
            pair("content_type", &"x".repeat(CONTENT_TYPE_BYTES_MAX + 1)),
            pair("filename", "photo\0.jpg"),
            pair("content_type", "image/\0"),
            pair("sha256", "ab"),
            pair("request_id", "seven"),
        ] {
            let key = header.split(' ').next().unwrap().to_owned();
            let refused = Metadata::parse(&header).unwrap_err();
            assert!(
                matches!(&refused, MediaError::Invalid(why) if why.contains(&key)),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_number_is_digits_and_fits_a_database() {
        assert_eq!(number("Upload-Offset", "0").unwrap(), 0);
        assert_eq!(number("Upload-Offset", "9223372036854775807").unwrap(), i64::MAX as u64);
        for value in ["", "-1", "+1", " 1", "1 ", "1e3", "0x1", "9223372036854775808", "٣"] {
            assert!(number("Upload-Offset", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_checksum_holds_for_its_bytes_in_any_pieces() {
        let of = |bytes: &[u8]| format!("sha256 {}", STANDARD.encode(Sha256::digest(bytes)));
        let mut checksum = BodyChecksum::parse(&of(b"hello")).unwrap();
        checksum.update(b"he");
        checksum.update(b"");
        checksum.update(b"llo");
        assert!(checksum.holds());
        let mut other = BodyChecksum::parse(&of(b"hello")).unwrap();
        other.update(b"hellO");
        assert!(!other.holds());
        for header in ["", "sha1", "sha1 ", "sha1 YWJj", "md5 YWJj", "SHA1 YWJj", "sha256 ?"] {
            assert!(BodyChecksum::parse(header).is_err(), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "\\PC*") {
            let _ = Metadata::parse(&header);
            let _ = BodyChecksum::parse(&header);
            let _ = number("Upload-Length", &header);
        }
    }
}
