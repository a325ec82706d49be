//! Which bytes a GET asks for (RFC 9110, section 14).

use std::ops::Range;

use http_range_header::{SyntacticallyCorrectRange, parse_range_header};

/// What a Range header selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The whole: no header, one that says nothing valid, or more than one range. A server may
    /// ignore any Range header (section 14.2).
    Whole,
    /// Some bytes: never empty, always within the representation.
    Part(Range<u64>),
    /// None of the bytes exists: 416.
    Unsatisfiable,
}

/// What `header` selects of `size` bytes.
#[must_use]
pub fn select(header: Option<&str>, size: u64) -> Selection {
    let Some(Ok(parsed)) = header.map(parse_range_header) else { return Selection::Whole };
    let [range] = parsed.into_ranges()[..] else { return Selection::Whole };
    resolve(range, size)
}

/// The value of Content-Range for a part (section 14.4).
#[must_use]
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// The value of Content-Range for a 416.
#[must_use]
pub fn unsatisfied_range(size: u64) -> String {
    format!("bytes */{size}")
}

fn resolve(range: SyntacticallyCorrectRange, size: u64) -> Selection {
    let (first, end) = match range {
        SyntacticallyCorrectRange::FromStart(first) => (first, size),
        SyntacticallyCorrectRange::Indexed(first, last) => {
            (first, last.saturating_add(1).min(size))
        }
        SyntacticallyCorrectRange::FromLast(0) => return Selection::Unsatisfiable,
        // Satisfiable, but Content-Range cannot name a part of nothing.
        SyntacticallyCorrectRange::FromLast(_) if size == 0 => return Selection::Whole,
        SyntacticallyCorrectRange::FromLast(length) => (size.saturating_sub(length), size),
    };
    if first >= size { Selection::Unsatisfiable } else { Selection::Part(first..end) }
}
