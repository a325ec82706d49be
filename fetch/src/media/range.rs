//! Which bytes a GET asks for (RFC 9110, section 14).

use std::ops::Range;

/// Ranges that one request may ask for. A header with more is no reader's: it is refused, because ignoring
/// it would send the whole.
pub const RANGES_MAX: usize = 64;

/// Ranges with no more bytes between them are sent as one: a part's own head would be longer (section
/// 15.3.7.2).
const GAP_MAX: u64 = 128;

/// What a Range header selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The whole: no header, one of another unit, or one that says nothing valid (section 14.2).
    Whole,
    /// Some bytes: never empty, always within the representation.
    Part(Range<u64>),
    /// Two parts or more, none touching another, in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    /// None of the bytes exists: 416.
    Unsatisfiable,
    /// More than [`RANGES_MAX`] ranges: 416 too (section 15.5.17).
    Excessive,
}

/// What `header` selects of `size` bytes.
#[must_use]
pub fn select(header: Option<&str>, size: u64) -> Selection {
    let Some(specs) = header.and_then(range_set) else { return Selection::Whole };
    if specs.len() > RANGES_MAX {
        return Selection::Excessive;
    }
    // Satisfiable, but Content-Range cannot name a part of nothing.
    if size == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..))) {
        return Selection::Whole;
    }
    let mut parts = coalesce(specs.into_iter().filter_map(|spec| spec.resolve(size)).collect());
    match parts.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Part(parts.swap_remove(0)),
        _ => Selection::Parts(parts),
    }
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

/// One range as it is written (section 14.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From the first position, up to and with the last.
    From(u64, u64),
    /// As many bytes from the end.
    Last(u64),
}

/// The ranges of a valid header in bytes; `None` for any other, which counts for nothing.
fn range_set(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements (section 5.6.1.2).
    let specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t']));
    let specs: Option<Vec<_>> = specs.filter(|spec| !spec.is_empty()).map(Spec::parse).collect();
    specs.filter(|specs| !specs.is_empty())
}

impl Spec {
    fn parse(spec: &str) -> Option<Self> {
        let (first, last) = spec.split_once('-')?;
        if first.is_empty() {
            return position(last).map(Self::Last);
        }
        let first = position(first)?;
        let last = if last.is_empty() { u64::MAX } else { position(last)? };
        (first <= last).then_some(Self::From(first, last))
    }

    /// The bytes there are of it.
    fn resolve(self, size: u64) -> Option<Range<u64>> {
        let part = match self {
            Self::From(first, last) => first..last.saturating_add(1).min(size),
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        (part.start < part.end).then_some(part)
    }
}

/// Digits alone; a number that is too large for us is too large for any file.
fn position(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Makes one of those that overlap or nearly touch; it stands where the first of them stood.
fn coalesce(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut asked: Vec<(usize, Range<u64>)> = parts.into_iter().enumerate().collect();
    asked.sort_by_key(|(_, part)| part.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(asked.len());
    for (place, part) in asked {
        match merged.last_mut() {
            Some((first, last)) if part.start <= last.end.saturating_add(GAP_MAX) => {
                *first = place.min(*first);
                last.end = part.end.max(last.end);
            }
            _ => merged.push((place, part)),
        }
    }
    merged.sort_by_key(|&(place, _)| place);
    merged.into_iter().map(|(_, part)| part).collect()
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
            ("bytes=2-99999999999999999999", Part(2..10)),
            ("bytes=-99999999999999999999", Part(0..10)),
            ("Bytes=3-5", Part(3..6)),
            ("bytes=003-0005", Part(3..6)),
            ("bytes=,3-5,", Part(3..6)),
            ("bytes= 3-5", Part(3..6)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999-", Unsatisfiable),
            ("bytes=10-,-0,20-30", Unsatisfiable),
        ] {
            assert_eq!(select(Some(header), 10), expected, "{header}");
        }
        assert_eq!(select(None, 10), Whole);
    }

    #[test]
    fn a_header_that_is_not_valid_or_of_another_unit_counts_for_nothing() {
        for header in [
            "bytes=5-3",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=0x0-5",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 -2",
            "bytes =1-2",
            "lines=0-3",
            "none=0-3",
            "0-3",
            "bytes",
            "",
            "bytes=0-1,5-3",
            "bytes=0-1;3-4",
            "bytes=0-1, x",
            "bytes=٣-٤",
        ] {
            assert_eq!(select(Some(header), 10), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn several_ranges_come_in_the_order_in_which_they_were_asked_for() {
        for (header, expected) in [
            ("bytes=0-9,500-509", vec![0..10, 500..510]),
            ("bytes=500-509, 0-9", vec![500..510, 0..10]),
            ("bytes=0-9\t,\t-10", vec![0..10, 990..1000]),
            // What does not exist is left out.
            ("bytes=0-9,2000-,500-509", vec![0..10, 500..510]),
            // What overlaps or nearly touches is one, where the first of it stood.
            ("bytes=600-699,0-9,650-749,5-20", vec![600..750, 0..21]),
            ("bytes=0-99,200-299,900-", vec![0..300, 900..1000]),
        ] {
            assert_eq!(select(Some(header), 1000), Selection::Parts(expected), "{header}");
        }
    }

    #[test]
    fn several_ranges_of_which_one_is_left_are_one_part() {
        for (header, expected) in [
            ("bytes=0-9,5-19", 0..20),
            ("bytes=0-0,2-2,4-4", 0..5),
            ("bytes=0-9,2000-", 0..10),
            ("bytes=500-,-500", 500..1000),
            ("bytes=0-99,228-299", 0..300),
        ] {
            assert_eq!(select(Some(header), 1000), Selection::Part(expected), "{header}");
        }
        let apart = Selection::Parts(vec![0..100, 229..300]);
        assert_eq!(select(Some("bytes=0-99,229-299"), 1000), apart, "a gap that is worth a part");
    }

    #[test]
    fn more_ranges_than_anybody_needs_are_refused_and_overlaps_multiply_nothing() {
        let ranges = |count: usize| format!("bytes={}", vec!["0-"; count].join(","));
        assert_eq!(select(Some(&ranges(RANGES_MAX)), 10), Selection::Part(0..10));
        assert_eq!(select(Some(&ranges(RANGES_MAX + 1)), 10), Selection::Excessive);
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=0-0"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=-0"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=-5"), 0), Selection::Whole);
        assert_eq!(select(Some("bytes=0-,-5"), 0), Selection::Whole);
    }

    #[test]
    fn content_range_counts_from_zero_and_includes_its_end() {
        assert_eq!(content_range(&(3..6), 10), "bytes 3-5/10");
        assert_eq!(unsatisfied_range(10), "bytes */10");
    }

    /// Which of `size` bytes the header names, asked byte by byte.
    fn named(ranges: &[(Option<u64>, Option<u64>)], at: u64, size: u64) -> bool {
        ranges.iter().any(|range| match *range {
            (Some(first), Some(last)) => (first..=last).contains(&at),
            (Some(first), None) => first <= at,
            (None, Some(length)) => at + length >= size,
            (None, None) => false,
        })
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_always_within(header in "bytes=[0-9]{0,4}-[0-9]{0,4}|\\PC*", size in 0u64..2000) {
            if let Selection::Part(part) = select(Some(&header), size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn every_byte_that_was_asked_for_is_sent_once(
            ranges in prop::collection::vec(
                (0u64..1200, prop::option::of(0u64..300)).prop_flat_map(|(first, length)| prop_oneof![
                    Just((Some(first), length.map(|length| first + length))),
                    Just((None, Some(first))),
                ]), 1..12),
            size in 1u64..1000,
        ) {
            let word = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
            let specs: Vec<_> =
                ranges.iter().map(|&(first, last)| format!("{}-{}", word(first), word(last))).collect();
            let parts = match select(Some(&format!("bytes={}", specs.join(", "))), size) {
                Selection::Part(part) => vec![part],
                Selection::Parts(parts) => parts,
                Selection::Unsatisfiable => Vec::new(),
                other @ (Selection::Whole | Selection::Excessive) => {
                    return Err(TestCaseError::fail(format!("{other:?}")));
                }
            };
            let mut sent = vec![0; size as usize];
            for part in &parts {
                prop_assert!(part.start < part.end && part.end <= size);
                part.clone().for_each(|at| sent[at as usize] += 1);
            }
            for at in 0..size {
                let times = sent[at as usize];
                prop_assert!(times <= 1 && (times == 1 || !named(&ranges, at, size)), "byte {}", at);
            }
            // Nothing is added but gaps that are shorter than a part's head.
            let needless = (0..size).filter(|&at| sent[at as usize] == 1 && !named(&ranges, at, size));
            prop_assert!(needless.count() as u64 <= GAP_MAX * ranges.len() as u64);
        }
    }
}
