//! Downloads, to the letter of RFC 9110.

mod body;
mod content;
mod headers;
pub(super) mod links;
mod redirect;

use axum::{
    body::Body as HttpBody,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::TryStreamExt;
use nudge_proto::{ErrorCode, MediumId};

use super::{
    ApiError, App,
    extract::{ApiResult, Path},
};
use crate::{
    auth::{Caller, Peer},
    limits::CONTENT_DIGEST_BYTES_MAX,
    media::{
        MediaError, RunningDigest,
        multipart::Piece,
        preconditions::{Validators, Verdict},
        range::{self, RANGES_MAX, Selection},
        wanted_digests::{WANT_CONTENT_DIGEST, WANT_REPR_DIGEST, Wish, wish},
    },
    objects::ObjectError,
    store::Medium,
};
use body::MediaBody;
use content::Content;
use headers::{CONTENT_DIGEST, REPR_DIGEST, put, put_handling, put_type, put_validators};
use links::Reader;
pub use redirect::Redirects;

/// A medium, or the parts of it that Range names.
pub(super) async fn download(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(id): Path<MediumId>,
    peer: Peer,
    method: Method,
    headers: HeaderMap,
) -> ApiResult {
    let now = app.clock.now();
    let medium = app.granted.medium(app.store.as_ref(), caller.user_id, id, now).await?;
    let validators = Validators::new(&medium.sha256, medium.completed_at, now)
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "a digest makes no entity tag"))?;
    let range_holds = match validators.evaluate(&headers) {
        Verdict::Failed => {
            return Err(ApiError::new(
                ErrorCode::PreconditionFailed,
                "a condition of the request does not hold: the medium is another one",
            ));
        }
        Verdict::NotModified => return Ok(not_modified(&validators)),
        Verdict::Proceed { range_holds } => range_holds,
    };
    // Range means something for GET alone (section 14.2).
    let selection = if range_holds && method == Method::GET {
        range::select(range_header(&headers), medium.size)
    } else {
        Selection::Whole
    };
    let content = match selection {
        Selection::Whole => Content::whole(&medium),
        Selection::Part(part) => Content::part(part, medium.size),
        Selection::Parts(parts) => Content::parts(&parts, &medium),
        Selection::Unsatisfiable => {
            return Err(unsatisfiable(medium.size, "none of them is in the range".to_owned()));
        }
        Selection::Excessive => {
            let excessive = format!("a request may name {RANGES_MAX} ranges at most");
            return Err(unsatisfiable(medium.size, excessive));
        }
    };
    // HEAD is for who wants to know what we know of it.
    if content.pieces.len() == 1
        && method == Method::GET
        && let Some(redirects) = &app.redirects
        && let Some(redirect) = redirects.answer(&medium, peer, &headers).await
    {
        return Ok(redirect);
    }
    let mut response = content.status.into_response();
    describe(&medium, &validators, &content, &headers, response.headers_mut());
    if method == Method::HEAD {
        return Ok(response);
    }
    let digest = content_digest(&app, &medium, &content, &headers).await;
    if let Some(digest) = or_gone(&app, caller, id, digest).await? {
        put(response.headers_mut(), CONTENT_DIGEST, &dictionary(&digest));
    }
    let opened = MediaBody::open(&app.objects, &medium, content.pieces).await;
    *response.body_mut() = HttpBody::new(or_gone(&app, caller, id, opened).await?);
    Ok(response)
}

/// All headers but those for which the content must be read.
fn describe(
    medium: &Medium,
    validators: &Validators,
    content: &Content,
    asked: &HeaderMap,
    headers: &mut HeaderMap,
) {
    put_validators(headers, validators);
    put_handling(headers);
    headers.insert(header::CONTENT_LENGTH, content.length().into());
    match &content.content_type {
        Some(content_type) => put(headers, header::CONTENT_TYPE, content_type),
        None => put_type(headers, medium),
    }
    if let Some(range) = &content.range {
        put(headers, header::CONTENT_RANGE, range);
    }
    let is_continued =
        content.status == StatusCode::PARTIAL_CONTENT && asked.contains_key(header::IF_RANGE);
    let wish = wish(asked, &WANT_REPR_DIGEST);
    if wish == Wish::Wanted || (wish == Wish::None && !is_continued) {
        put(headers, REPR_DIGEST, &dictionary(&medium.sha256));
    }
    if is_continued {
        // Whoever sent If-Range has the rest from before (section 15.3.7).
        headers.remove(header::LAST_MODIFIED);
    }
    // Every answer says it: on this it depends whether a browser shows what it has.
    headers::put_name(headers, medium);
}

/// The digest of what the answer carries, if it is wanted and not too much to read twice.
async fn content_digest(
    app: &App,
    medium: &Medium,
    content: &Content,
    asked: &HeaderMap,
) -> Result<Option<[u8; 32]>, ObjectError> {
    let [Piece::Part(part)] = &content.pieces[..] else { return Ok(None) };
    if wish(asked, &WANT_CONTENT_DIGEST) != Wish::Wanted {
        return Ok(None);
    }
    if *part == (0..medium.size) {
        return Ok(Some(medium.sha256));
    }
    if part.end - part.start > CONTENT_DIGEST_BYTES_MAX {
        return Ok(None);
    }
    let mut pieces = app.objects.read(medium.id, &medium.object, part.clone()).await?;
    let mut digest = RunningDigest::default();
    while let Some(piece) = pieces.try_next().await? {
        digest.update(&piece);
        tokio::task::yield_now().await;
    }
    Ok(Some(digest.finish()))
}

/// An object that is not there was removed between the look at the store and here, most likely.
async fn or_gone<T>(
    app: &App,
    caller: Caller,
    id: MediumId,
    opened: Result<T, ObjectError>,
) -> Result<T, ApiError> {
    if let Err(ObjectError::NotFound { .. }) = opened {
        app.store.medium(caller.user_id, id, app.clock.now()).await?;
    }
    opened.map_err(|error| MediaError::from(error).into())
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
    // The entity tag says it already (section 15.4.5).
    response.headers_mut().remove(header::LAST_MODIFIED);
    response
}

fn unsatisfiable(size: u64, reason: String) -> ApiError {
    let refusal = ApiError::new(
        ErrorCode::RangeNotSatisfiable,
        format!("the medium has {size} bytes, and {reason}"),
    )
    .with_header(header::ACCEPT_RANGES, headers::BYTES);
    match range::unsatisfied_range(size).try_into() {
        Ok(value) => refusal.with_header(header::CONTENT_RANGE, value),
        Err(_) => refusal,
    }
}

/// A digest as RFC 9530 writes it.
fn dictionary(sha256: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        if let MediaError::Store(error) = error {
            return error.into();
        }
        Self::new(error.code(), error.to_string())
    }
}
