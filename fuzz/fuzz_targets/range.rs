//! The Range header: whatever it says, what is selected lies within the representation; and a single
//! plain range selects what RFC 9110, section 14.1.2, says, computed here a second time.

#![no_main]

/// The parser's own file: it stands alone, and all of the content service around it would take many
/// minutes to build under a fuzzer's flags.
#[path = "../../fetch/src/media/range.rs"]
mod range;

use libfuzzer_sys::fuzz_target;
use range::{RANGES_MAX, Selection, content_range, select, unsatisfied_range};

fuzz_target!(|input: (u64, bool, &str)| {
    let (size, is_small, header) = input;
    let size = if is_small { size % 32 } else { size };
    let selection = select(Some(header), size);
    if let Selection::Part(part) = &selection {
        assert!(part.start < part.end && part.end <= size, "{header:?} of {size}: {part:?}");
        let named = content_range(part, size);
        assert_eq!(named, format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    if let Selection::Parts(parts) = &selection {
        assert!((2..=RANGES_MAX).contains(&parts.len()), "{header:?} of {size}: {parts:?}");
        let mut ordered = parts.clone();
        ordered.sort_by_key(|part| part.start);
        assert!(ordered.iter().all(|part| part.start < part.end && part.end <= size));
        assert!(ordered.windows(2).all(|pair| pair[0].end < pair[1].start), "{parts:?}");
    }
    if selection != Selection::Whole {
        assert!(header.trim_start().to_ascii_lowercase().starts_with("bytes"), "{header:?}");
    }
    if let Some(expected) = plain_range(header, size) {
        assert_eq!(selection, expected, "{header:?} of {size}");
    }
    assert_eq!(select(None, size), Selection::Whole);
    assert_eq!(unsatisfied_range(size), format!("bytes */{size}"));
});

/// What `bytes=A-B`, `bytes=A-` or `bytes=-N` selects; `None` for anything that is written otherwise.
fn plain_range(header: &str, size: u64) -> Option<Selection> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let wanted = number(last)?;
        return Some(match (wanted, size) {
            (0, _) => Selection::Unsatisfiable,
            // Satisfiable, and nothing to name.
            (_, 0) => Selection::Whole,
            _ => Selection::Part(size.saturating_sub(wanted)..size),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    Some(if last < first {
        Selection::Whole
    } else if first >= size {
        Selection::Unsatisfiable
    } else {
        Selection::Part(first..last.saturating_add(1).min(size))
    })
}

/// A number without sign or needless zeros, small enough that nobody can disagree about it.
fn number(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() < 19;
    let is_shortest = digits == "0" || !digits.starts_with('0');
    if is_plain && is_shortest { digits.parse().ok() } else { None }
}
