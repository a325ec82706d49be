//! How a download is to be named (RFC 6266, RFC 8187).

use std::fmt::Write;

/// The value of Content-Disposition: always a download, never shown in place, under the last part
/// of the name that the uploader gave.
#[must_use]
pub fn attachment(file_name: &str) -> String {
    let name = safe_name(file_name);
    if name.is_empty() {
        return "attachment".to_owned();
    }
    let plain: String = name.chars().map(plain_or_underscore).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            push_encoded(&mut value, byte);
        }
    }
    value
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
        // Writing to a String cannot fail.
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
            assert_eq!(attachment(name), expected, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_header_of_one_line(name in "\\PC*|.*") {
            let value = attachment(&name);
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            prop_assert!(!value.contains(['/', '\\']));
        }
    }
}
