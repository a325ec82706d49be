//! What an answer's headers say of a medium.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use headers::HeaderMapExt;

use crate::{
    media::{disposition::content_disposition, media_type, preconditions::Validators},
    store::Medium,
};

/// RFC 9530, section 3.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// RFC 9530, section 2.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// The content never changes, and is for this user only (RFC 9111, section 5.2.2; RFC 8246).
pub(super) const CACHE_CONTROL: &str = "private, max-age=31536000, immutable, no-transform";
/// The unit of ranges.
pub(super) const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// What a cache needs to know: the content never changes, is for this user only, and is to be kept as it
/// is.
pub(super) fn put_validators(headers: &mut HeaderMap, validators: &Validators) {
    headers.typed_insert(validators.etag());
    headers.typed_insert(validators.last_modified());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
}

/// How to deal with it: in ranges, so that no browser runs it, and that a link to it goes no further.
pub(super) fn put_handling(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCEPT_RANGES, BYTES),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ] {
        headers.insert(name, value);
    }
}

/// What the uploader says it is.
pub(super) fn put_type(headers: &mut HeaderMap, medium: &Medium) {
    put(headers, header::CONTENT_TYPE, content_type(medium));
}

/// Under which name it was uploaded.
pub(super) fn put_name(headers: &mut HeaderMap, medium: &Medium) {
    let value = content_disposition(&medium.content_type, &medium.file_name);
    put(headers, header::CONTENT_DISPOSITION, &value);
}

/// The declared type if it is one, or the one that says nothing.
pub(super) fn content_type(medium: &Medium) -> &str {
    let declared = medium.content_type.as_str();
    if media_type::is_valid(declared) { declared } else { media_type::UNKNOWN }
}

/// Leaves out what no header can carry.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
