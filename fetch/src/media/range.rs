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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_header_selects_of_ten_bytes() {
        use Selection::{Part, Unsatisfiable, Whole};
        for (header, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-9", Part(0..10)),
            ("bytes=0-10", Part(0..10)),
            ("bytes=3-5", Part(3..6)),
            ("bytes=9-", Part(9..10)),
            ("bytes=0-", Part(0..10)),
            ("bytes=-1", Part(9..10)),
            ("bytes=-10", Part(0..10)),
            ("bytes=-11", Part(0..10)),
            ("bytes=2-18446744073709551615", Part(2..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999-", Unsatisfiable),
            // Not valid, or another unit, or several: ignored, which is always allowed.
            ("bytes=5-3", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=0x0-5", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("lines=0-3", Whole),
            ("0-3", Whole),
            ("", Whole),
            ("bytes=0-1,3-4", Whole),
        ] {
            assert_eq!(select(Some(header), 10), expected, "{header}");
        }
        assert_eq!(select(None, 10), Whole);
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=0-0"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=-5"), 0), Selection::Whole);
    }

    #[test]
    fn content_range_counts_from_zero_and_includes_its_end() {
        assert_eq!(content_range(&(3..6), 10), "bytes 3-5/10");
        assert_eq!(unsatisfied_range(10), "bytes */10");
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_always_within(header in "bytes=[0-9]{0,4}-[0-9]{0,4}|\\PC*", size in 0u64..2000) {
            if let Selection::Part(part) = select(Some(&header), size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
