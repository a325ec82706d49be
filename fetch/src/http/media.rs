//! Downloads, to the letter of RFC 9110.

use std::ops::Range;

use axum::{
    body::Body as HttpBody,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::StreamExt;
use headers::HeaderMapExt;
use nudge_proto::{ErrorCode, MediumId};

use super::{
    ApiError, App,
    extract::{ApiResult, Path},
};
use crate::{
    auth::Caller,
    media::{
        MediaError, disposition,
        preconditions::{Validators, Verdict},
        range::{self, Selection},
    },
    objects::{ByteStream, ObjectError},
    store::Medium,
    telemetry,
};

/// A medium, or the part of it that Range names.
pub(super) async fn download(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MediumId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult {
    let medium = app.store.medium(caller.user_id, id, app.clock.now()).await?;
    let validators = Validators::new(&medium.sha256, medium.completed_at)
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "a digest makes no entity tag"))?;
    let selection = match validators.evaluate(&headers) {
        Verdict::Failed => {
            return Err(ApiError::new(
                ErrorCode::PreconditionFailed,
                "a condition of the request does not hold: the medium is another one",
            ));
        }
        Verdict::NotModified => return Ok(not_modified(&validators)),
        // Range means something for GET alone (section 14.2).
        Verdict::Proceed { range_holds } if range_holds && method == Method::GET => {
            range::select(range_header(&headers), medium.size)
        }
        Verdict::Proceed { .. } => Selection::Whole,
    };
    let (status, part) = match selection {
        Selection::Whole => (StatusCode::OK, 0..medium.size),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Selection::Unsatisfiable => return Err(unsatisfiable(medium.size)),
    };
    let length = part.end - part.start;
    let body = if method == Method::HEAD {
        HttpBody::empty()
    } else {
        // A stream that fails midway breaks the response off: it never looks complete.
        HttpBody::from_stream(counted(read(&app, caller, &medium, part.clone()).await?))
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    put_validators(headers, &validators);
    put_description(headers, &medium);
    headers.insert(header::CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        put(headers, header::CONTENT_RANGE, &range::content_range(&part, medium.size));
    }
    Ok(response)
}

fn counted(stream: ByteStream) -> ByteStream {
    let count = |piece: &Result<Bytes, ObjectError>| {
        telemetry::downloaded(piece.as_ref().map_or(0, Bytes::len) as u64);
    };
    stream.inspect(count).boxed()
}

async fn read(
    app: &App,
    caller: Caller,
    medium: &Medium,
    part: Range<u64>,
) -> Result<ByteStream, ApiError> {
    match app.objects.read(medium.id, &medium.object, part).await {
        Err(error @ ObjectError::NotFound { .. }) => {
            // Removed between the look at the store and here, most likely.
            app.store.medium(caller.user_id, medium.id, app.clock.now()).await?;
            Err(MediaError::from(error).into())
        }
        other => other.map_err(|error| MediaError::from(error).into()),
    }
}

fn range_header(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::RANGE).iter();
    let first = values.next()?.to_str().ok()?;
    // Two lines are a mistake, and any Range may be ignored.
    if values.next().is_some() { None } else { Some(first) }
}

fn not_modified(validators: &Validators) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    put_validators(response.headers_mut(), validators);
    response
}

fn unsatisfiable(size: u64) -> ApiError {
    let refusal = ApiError::new(
        ErrorCode::RangeNotSatisfiable,
        format!("the medium has {size} bytes, and none of them is in the range"),
    )
    .with_header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match HeaderValue::from_str(&range::unsatisfied_range(size)) {
        Ok(value) => refusal.with_header(header::CONTENT_RANGE, value),
        Err(_) => refusal,
    }
}

/// What a cache needs to know: the content never changes, and is for this user only.
fn put_validators(headers: &mut HeaderMap, validators: &Validators) {
    headers.typed_insert(validators.etag());
    headers.typed_insert(validators.last_modified());
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=31536000, immutable"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
}

/// What it is, said so that no browser runs it.
fn put_description(headers: &mut HeaderMap, medium: &Medium) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    put(headers, header::CONTENT_TYPE, &medium.content_type);
    put(headers, header::CONTENT_DISPOSITION, &disposition::attachment(&medium.file_name));
    put(headers, REPR_DIGEST, &format!("sha-256=:{}:", STANDARD.encode(medium.sha256)));
    for (name, value) in [
        (header::ACCEPT_RANGES, "bytes"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Leaves out what no header can carry.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        if let MediaError::Store(error) = error {
            return error.into();
        }
        Self::new(error.code(), error.to_string())
    }
}

/// RFC 9530, section 3.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
