//! What a media type is (RFC 9110, section 8.3.1).

/// Says nothing: bytes.
pub const UNKNOWN: &str = "application/octet-stream";

/// Whether it is `type/subtype`, with or without parameters, and one line. What is none would leave a
/// browser to guess.
#[must_use]
pub fn is_valid(media_type: &str) -> bool {
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    let Some((kind, subtype)) = essence.trim_end_matches([' ', '\t']).split_once('/') else {
        return false;
    };
    is_token(kind)
        && is_token(subtype)
        && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Section 5.6.2.
fn is_token(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_a_type_and_a_subtype_in_one_line() {
        for valid in [
            UNKNOWN,
            "image/jpeg",
            "image/svg+xml",
            "text/plain; charset=utf-8",
            "video/mp4 ; codecs=\"avc1.42E01E, mp4a.40.2\"",
        ] {
            assert!(is_valid(valid), "{valid}");
        }
        for none in [
            "",
            "/",
            "image",
            "image/",
            "/jpeg",
            " image/jpeg",
            "image/jpeg/x",
            "image/jpeg, text/html",
            "image/jp\u{e4}g",
            "text/plain; a=\u{e4}",
            "text/plain;\r\nSet-Cookie: a=b",
            "text/plain\r\n",
        ] {
            assert!(!is_valid(none), "{none:?}");
        }
    }
}
