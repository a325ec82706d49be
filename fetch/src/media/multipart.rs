//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6).

use std::ops::Range;

use bytes::Bytes;

use super::range::content_range;

/// What an answer's content is made of, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words between the parts.
    Text(Bytes),
    /// Bytes of the medium.
    Part(Range<u64>),
}

impl Piece {
    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(part) => part.end - part.start,
        }
    }
}

/// The content of an answer with `parts`. The boundary must be one that nobody could write into a medium.
#[must_use]
pub fn byteranges(
    parts: &[Range<u64>],
    size: u64,
    content_type: &str,
    boundary: &str,
) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for (at, part) in parts.iter().enumerate() {
        let line_end = if at == 0 { "" } else { "\r\n" };
        let range = content_range(part, size);
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n"
        );
        pieces.extend([Piece::Text(head.into()), Piece::Part(part.clone())]);
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

/// The value of Content-Type for such an answer.
#[must_use]
pub fn content_type(boundary: &str) -> String {
    format!("multipart/byteranges; boundary={boundary}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_as_the_rfc_writes_them() {
        let pieces = byteranges(&[7000..8000, 500..1000], 8000, "image/png", "THIS");
        let written: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Piece::Part(part) => format!("<{}..{}>", part.start, part.end),
            })
            .collect();
        let expected = "--THIS\r\n\
             Content-Type: image/png\r\n\
             Content-Range: bytes 7000-7999/8000\r\n\r\n\
             <7000..8000>\r\n\
             --THIS\r\n\
             Content-Type: image/png\r\n\
             Content-Range: bytes 500-999/8000\r\n\r\n\
             <500..1000>\r\n\
             --THIS--\r\n";
        assert_eq!(written, expected);
        assert_eq!(content_type("THIS"), "multipart/byteranges; boundary=THIS");
        let told: u64 = pieces.iter().map(Piece::length).sum();
        assert_eq!(
            told,
            (expected.len() - "<7000..8000>".len() - "<500..1000>".len() + 1500) as u64
        );
    }
}
