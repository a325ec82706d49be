//! Whether a GET or HEAD goes on (RFC 9110, section 13.2.2).

use std::time::{Duration, SystemTime};

use headers::{
    ETag, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince,
    LastModified,
};
use http::{HeaderMap, header};

use crate::store::UnixMs;

/// What the conditions are held against.
#[derive(Clone, Debug)]
pub struct Validators {
    etag: ETag,
    /// In whole seconds, as HTTP dates are.
    last_modified: SystemTime,
}

/// What the conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; the Range header counts only if `range_holds`.
    Proceed {
        /// There is no If-Range, or it names what is still there.
        range_holds: bool,
    },
    /// The client has it: 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators {
    /// Of content that never changes: its SHA-256 is a strong validator, and so is its date. One that
    /// another node's clock made in the future is told as now (section 8.8.2.1).
    #[must_use]
    pub fn new(sha256: &[u8; 32], completed_at: UnixMs, now: UnixMs) -> Option<Self> {
        let etag = format!("\"{}\"", hex::encode(sha256)).parse().ok()?;
        let seconds = completed_at.0.min(now.0) / 1000;
        let last_modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Some(Self { etag, last_modified })
    }

    /// For the ETag header.
    #[must_use]
    pub fn etag(&self) -> ETag {
        self.etag.clone()
    }

    /// For the Last-Modified header.
    #[must_use]
    pub fn last_modified(&self) -> LastModified {
        self.last_modified.into()
    }

    /// Evaluates the conditions of a GET or HEAD in their order of precedence.
    #[must_use]
    pub fn evaluate(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(header::IF_MATCH) {
            // One that cannot be read cannot hold.
            let if_match = headers.typed_get::<IfMatch>();
            if !if_match.is_some_and(|condition| condition.precondition_passes(&self.etag)) {
                return Verdict::Failed;
            }
        } else if let Some(condition) = headers.typed_get::<IfUnmodifiedSince>()
            && !condition.precondition_passes(self.last_modified)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            let if_none_match = headers.typed_get::<IfNoneMatch>();
            if if_none_match.is_some_and(|condition| !condition.precondition_passes(&self.etag)) {
                return Verdict::NotModified;
            }
        } else if let Some(condition) = headers.typed_get::<IfModifiedSince>()
            && !condition.is_modified(self.last_modified)
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed { range_holds: self.range_holds(headers) }
    }

    /// If-Range (section 13.1.5): exactly the entity tag, or exactly the date.
    fn range_holds(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_RANGE) {
            return true;
        }
        headers.typed_get::<IfRange>().is_some_and(|condition| {
            condition == IfRange::etag(self.etag.clone())
                || condition == IfRange::date(self.last_modified)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
    const BEFORE: &str = "Fri, 15 Jan 2027 07:59:59 GMT";
    const AFTER: &str = "Fri, 15 Jan 2027 08:00:01 GMT";

    /// `etag!` stands for the entity tag of what is there.
    fn evaluate(headers: &[(HeaderName, &str)]) -> Verdict {
        let completed_at = UnixMs(1_800_000_000_900);
        let validators = Validators::new(&[0xab; 32], completed_at, completed_at).unwrap();
        let etag = format!("\"{}\"", "ab".repeat(32));
        let header = |(name, value): &(HeaderName, &str)| {
            let value = value.replace("etag!", &etag);
            (name.clone(), HeaderValue::from_str(&value).unwrap())
        };
        validators.evaluate(&headers.iter().map(header).collect())
    }

    const WHOLE_RANGE: Verdict = Verdict::Proceed { range_holds: true };
    const NO_RANGE: Verdict = Verdict::Proceed { range_holds: false };

    #[test]
    fn if_none_match_saves_who_has_it_already() {
        use header::IF_NONE_MATCH as NAME;
        for (value, expected) in [
            ("etag!", Verdict::NotModified),
            ("W/etag!", Verdict::NotModified),
            ("*", Verdict::NotModified),
            ("\"other\", etag!", Verdict::NotModified),
            ("\"other\"", WHOLE_RANGE),
            ("no tag", WHOLE_RANGE),
        ] {
            assert_eq!(evaluate(&[(NAME, value)]), expected, "{value}");
        }
        // It has the word, whatever the date says.
        let both = [(NAME, "\"other\""), (header::IF_MODIFIED_SINCE, AFTER)];
        assert_eq!(evaluate(&both), WHOLE_RANGE);
    }

    #[test]
    fn if_match_fails_unless_it_names_what_is_there() {
        use header::IF_MATCH as NAME;
        for (value, expected) in [
            ("etag!", WHOLE_RANGE),
            ("*", WHOLE_RANGE),
            ("\"other\", etag!", WHOLE_RANGE),
            ("\"other\"", Verdict::Failed),
            // The comparison is the strong one.
            ("W/etag!", Verdict::Failed),
            ("no tag", Verdict::Failed),
        ] {
            assert_eq!(evaluate(&[(NAME, value)]), expected, "{value}");
        }
        let both = [(NAME, "etag!"), (header::IF_UNMODIFIED_SINCE, BEFORE)];
        assert_eq!(evaluate(&both), WHOLE_RANGE, "the date is not looked at");
    }

    #[test]
    fn dates_count_in_whole_seconds() {
        use header::{IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE};
        for (name, date, expected) in [
            (IF_MODIFIED_SINCE, BEFORE, WHOLE_RANGE),
            (IF_MODIFIED_SINCE, NOW, Verdict::NotModified),
            (IF_MODIFIED_SINCE, AFTER, Verdict::NotModified),
            (IF_MODIFIED_SINCE, "yesterday", WHOLE_RANGE),
            (IF_UNMODIFIED_SINCE, BEFORE, Verdict::Failed),
            (IF_UNMODIFIED_SINCE, NOW, WHOLE_RANGE),
            (IF_UNMODIFIED_SINCE, "yesterday", WHOLE_RANGE),
        ] {
            assert_eq!(evaluate(&[(name.clone(), date)]), expected, "{name}: {date}");
        }
    }

    #[test]
    fn if_range_lets_a_range_through_only_for_exactly_what_is_there() {
        use header::IF_RANGE as NAME;
        for (value, expected) in [
            ("etag!", WHOLE_RANGE),
            (NOW, WHOLE_RANGE),
            ("W/etag!", NO_RANGE),
            ("\"other\"", NO_RANGE),
            (BEFORE, NO_RANGE),
            (AFTER, NO_RANGE),
            ("*", NO_RANGE),
            ("no tag", NO_RANGE),
        ] {
            assert_eq!(evaluate(&[(NAME, value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_date_that_comes_twice_counts_for_nothing() {
        use header::{IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE};
        for (name, date) in [(IF_MODIFIED_SINCE, AFTER), (IF_UNMODIFIED_SINCE, BEFORE)] {
            assert_ne!(evaluate(&[(name.clone(), date)]), WHOLE_RANGE, "{name}");
            let twice = [(name.clone(), date), (name.clone(), date)];
            assert_eq!(evaluate(&twice), WHOLE_RANGE, "{name}");
        }
    }

    #[test]
    fn what_was_made_in_the_future_was_made_now() {
        for (completed_at, now) in [(5000, 9000), (9000, 5000), (5999, 5000)] {
            let at = |ms: u64| UnixMs(1_800_000_000_000 + ms);
            let told = Validators::new(&[0xab; 32], at(completed_at), at(now)).unwrap();
            let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_005);
            assert_eq!(told.last_modified(), expected.into());
        }
    }

    #[test]
    fn all_three_forms_of_a_date_are_understood() {
        for date in [NOW, "Friday, 15-Jan-27 08:00:00 GMT", "Fri Jan 15 08:00:00 2027"] {
            let evaluated = evaluate(&[(header::IF_MODIFIED_SINCE, date)]);
            assert_eq!(evaluated, Verdict::NotModified, "{date}");
            assert_eq!(evaluate(&[(header::IF_RANGE, date)]), WHOLE_RANGE, "{date}");
        }
    }

    #[test]
    fn the_stronger_condition_comes_first() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
        for (headers, expected) in [
            (&[(IF_NONE_MATCH, "etag!"), (IF_MATCH, "\"other\"")][..], Verdict::Failed),
            (&[(IF_NONE_MATCH, "etag!"), (IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Failed),
            (&[(IF_MATCH, "etag!"), (IF_NONE_MATCH, "etag!")], Verdict::NotModified),
            (&[(IF_MATCH, "etag!"), (IF_MODIFIED_SINCE, NOW)], Verdict::NotModified),
            (&[(IF_RANGE, "\"other\""), (IF_NONE_MATCH, "etag!")], Verdict::NotModified),
            (&[(IF_RANGE, "\"other\""), (IF_MATCH, "etag!")], NO_RANGE),
        ] {
            assert_eq!(evaluate(headers), expected, "{headers:?}");
        }
    }
}
