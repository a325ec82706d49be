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
    /// Of content that never changes: its SHA-256 is a strong validator.
    #[must_use]
    pub fn new(sha256: &[u8; 32], completed_at: UnixMs) -> Option<Self> {
        let etag = format!("\"{}\"", hex::encode(sha256)).parse().ok()?;
        let last_modified = SystemTime::UNIX_EPOCH + Duration::from_secs(completed_at.0 / 1000);
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
