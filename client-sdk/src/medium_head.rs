//! What the headers of a medium's answer say of it.

use nudge_proto::MediumId;
use reqwest::header::{self, HeaderMap, HeaderName};

use crate::{
    Error,
    error::Result,
    model::{Medium, digest},
};

/// Reads size, digest, name and type.
pub(crate) fn read(id: MediumId, headers: &HeaderMap) -> Result<Medium> {
    let size = text(headers, &header::CONTENT_LENGTH).unwrap_or_default();
    let tag = text(headers, &header::ETAG).unwrap_or_default();
    let disposition = text(headers, &header::CONTENT_DISPOSITION).unwrap_or_default();
    Ok(Medium {
        id,
        file_name: file_name(disposition).unwrap_or_default(),
        content_type: text(headers, &header::CONTENT_TYPE).unwrap_or_default().to_owned(),
        size: size.parse().map_err(|_| {
            Error::Protocol(format!("{id} has the length {size:?}, which is no number"))
        })?,
        sha256: digest(tag.trim_matches('"'))?,
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The name in a Content-Disposition (RFC 6266): `filename*` before `filename`.
fn file_name(disposition: &str) -> Option<String> {
    let parameter = |name: &str| {
        disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix(name))
    };
    if let Some(encoded) = parameter("filename*=UTF-8''") {
        return percent_decoded(encoded);
    }
    // In quotes; a semicolon in it is the name's own.
    let (_, quoted) = disposition.split_once("filename=\"")?;
    quoted.split_once('"').map(|(name, _)| name.to_owned())
}

/// RFC 8187, section 3.2.1.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            decoded.extend(hex::decode(digits).ok()?);
            rest = after;
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_the_server_writes_it() {
        for (disposition, name) in [
            ("attachment", None),
            (r#"attachment; filename="photo.jpg""#, Some("photo.jpg")),
            (r#"attachment; filename="a; b.txt""#, Some("a; b.txt")),
            (
                r#"attachment; filename="_n_code_.txt"; filename*=UTF-8''%C3%BCn%C3%AFcode%25.txt"#,
                Some("ünïcode%.txt"),
            ),
            (r#"attachment; filename="x"; filename*=UTF-8''%C3"#, None),
            (r#"attachment; filename="x"; filename*=UTF-8''%4"#, None),
        ] {
            assert_eq!(file_name(disposition).as_deref(), name, "{disposition}");
        }
    }

    #[test]
    fn headers_without_a_digest_are_no_medium() {
        let id = MediumId::random();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, 5.into());
        assert!(matches!(read(id, &headers), Err(Error::Protocol(_))));
        let sha256 = [0xab; 32];
        let tag = format!("\"{}\"", hex::encode(sha256));
        headers.insert(header::ETAG, tag.parse().unwrap());
        let medium = read(id, &headers).unwrap();
        assert_eq!((medium.size, medium.sha256), (5, sha256));
    }
}
