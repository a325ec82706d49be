//! How a download is to be named (RFC 6266, RFC 8187).

use std::fmt::Write;

/// The value of Content-Disposition: a picture, a sound or a film may be shown in place; everything else,
/// and so everything that a browser would run, is a download. It carries the last part of the name that
/// the uploader gave.
#[must_use]
pub fn content_disposition(content_type: &str, file_name: &str) -> String {
    let mut value = if is_passive(content_type) { "inline" } else { "attachment" }.to_owned();
    let name = safe_name(file_name);
    if name.is_empty() {
        return value;
    }
    let plain: String = name.chars().map(plain_or_underscore).collect();
    // Writing to a String cannot fail.
    let _ = write!(value, "; filename=\"{plain}\"");
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            push_encoded(&mut value, byte);
        }
    }
    value
}

/// Whether a browser that shows it runs nothing. A closed list: SVG is a picture that runs.
fn is_passive(content_type: &str) -> bool {
    const PASSIVE: [&str; 18] = [
        "audio/aac",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/opus",
        "audio/wav",
        "audio/webm",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/ogg",
        "video/quicktime",
        "video/webm",
    ];
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    PASSIVE.iter().any(|passive| passive.eq_ignore_ascii_case(essence))
}

/// The name without folders and without what a terminal or a file system would act on.
fn safe_name(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|&letter| !acts_on_display(letter)).collect();
    if name.chars().all(|letter| letter == '.') { String::new() } else { name }
}

/// Control characters, and those that turn the direction of text, so that `gpj.exe` reads as
/// `exe.jpg`.
fn acts_on_display(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// For clients that do not know `filename*`; some of them decode `%` (RFC 6266, appendix D).
fn plain_or_underscore(letter: char) -> char {
    match letter {
        '"' | '\\' | '%' => '_',
        ' '..='~' => letter,
        _ => '_',
    }
}

/// As `attr-char` of RFC 8187, section 3.2.1, or percent-encoded.
fn push_encoded(value: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
        value.push(char::from(byte));
    } else {
        let _ = write!(value, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_said_so_that_they_stay_what_they_are() {
        for (name, expected) in [
            ("photo.jpg", "attachment; filename=\"photo.jpg\""),
            ("a photo.jpg", "attachment; filename=\"a photo.jpg\""),
            ("", "attachment"),
            ("..", "attachment"),
            ("folder/", "attachment"),
            ("/etc/passwd", "attachment; filename=\"passwd\""),
            ("..\\..\\boot.ini", "attachment; filename=\"boot.ini\""),
            ("süß.jpg", "attachment; filename=\"s__.jpg\"; filename*=UTF-8''s%C3%BC%C3%9F.jpg"),
            ("a\"b.txt", "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
            ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
            ("line\r\nbreak", "attachment; filename=\"linebreak\""),
            ("photo\u{202e}gpj.exe", "attachment; filename=\"photogpj.exe\""),
            ("\u{1f600}", "attachment; filename=\"_\"; filename*=UTF-8''%F0%9F%98%80"),
        ] {
            assert_eq!(content_disposition("text/plain", name), expected, "{name:?}");
        }
    }

    #[test]
    fn only_what_runs_nothing_is_shown_in_place() {
        for content_type in ["image/jpeg", "IMAGE/PNG", "video/mp4; codecs=\"avc1\"", "audio/ogg"] {
            assert_eq!(content_disposition(content_type, ""), "inline", "{content_type}");
        }
        for content_type in [
            "text/html",
            "text/html; image/png",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/javascript",
            "application/pdf",
            "text/plain",
            "application/octet-stream",
            "",
            "image/",
            "image/png+xml",
            "multipart/x-mixed-replace",
        ] {
            assert_eq!(content_disposition(content_type, ""), "attachment", "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_header_of_one_line(name in "\\PC*|.*") {
            let value = content_disposition("image/png", &name);
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            prop_assert!(!value.contains(['/', '\\']));
        }
    }
}
