//! Resumable uploads: tus 1.0, <https://tus.io/protocols/resumable-upload>.
//!
//! An upload's id is its medium's: what is complete under `/v1/uploads/{id}` is read under
//! `/v1/media/{id}`.

use std::time::{Duration, SystemTime};

use axum::{
    body::Body as HttpBody,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::StreamExt;
use headers::{Expires, HeaderMapExt};
use http_body::Body as _;
use nudge_proto::{ErrorCode, MediumId};

use super::{
    ApiError, App,
    extract::{ApiResult, Path},
};
use crate::{
    auth::Caller,
    media::{
        Creation, UploadBody,
        tus::{self, BodyChecksum, Metadata},
    },
    store::Upload,
};

/// Makes an upload, and takes its first bytes when the request brings some.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: HttpBody,
) -> ApiResult {
    if headers.contains_key("upload-defer-length") {
        return Err(ApiError::invalid("say Upload-Length: this server does not defer the length"));
    }
    let size = tus::number("Upload-Length", required(&headers, &UPLOAD_LENGTH)?)?;
    let metadata = Metadata::parse(text(&headers, &UPLOAD_METADATA)?.unwrap_or_default())?;
    let checksum = checksum(&headers)?;
    let (mut upload, _) = app.uploads.create(caller.user_id, Creation { size, metadata }).await?;
    // A retried creation may stand further than its body begins: the client goes on from there.
    if is_upload_body(&headers) && upload.offset == 0 && size > 0 {
        let length = body.size_hint().exact();
        let append =
            app.uploads.append(caller.user_id, upload.id, 0, length, checksum, stream(body));
        upload = append.await?;
    }
    let mut response = StatusCode::CREATED.into_response();
    let location = format!("/v1/uploads/{}", upload.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    put_progress(response.headers_mut(), &upload);
    Ok(response)
}

/// How far an upload is.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MediumId>,
) -> ApiResult {
    let upload = app.uploads.state(caller.user_id, id).await?;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    put_progress(headers, &upload);
    headers.insert(UPLOAD_LENGTH, upload.size.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(metadata) = HeaderValue::from_str(&metadata_of(&upload)) {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    Ok(response)
}

/// Continues an upload.
pub(super) async fn append(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MediumId>,
    headers: HeaderMap,
    body: HttpBody,
) -> ApiResult {
    if !is_upload_body(&headers) {
        return Err(ApiError::new(
            ErrorCode::ContentTypeUnsupported,
            format!("the body must be {}", tus::BODY_TYPE),
        ));
    }
    let offset = tus::number("Upload-Offset", required(&headers, &UPLOAD_OFFSET)?)?;
    let checksum = checksum(&headers)?;
    let length = body.size_hint().exact();
    let append = app.uploads.append(caller.user_id, id, offset, length, checksum, stream(body));
    let upload = append.await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    put_progress(response.headers_mut(), &upload);
    Ok(response)
}

/// Gives an upload up.
pub(super) async fn terminate(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MediumId>,
) -> ApiResult {
    app.uploads.terminate(caller.user_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A POST that says it is something else, from behind a proxy that lets nothing else through.
pub(super) async fn overridden(
    app: State<App>,
    caller: Caller,
    id: Path<MediumId>,
    headers: HeaderMap,
    body: HttpBody,
) -> ApiResult {
    match text(&headers, &METHOD_OVERRIDE)? {
        Some("PATCH") => append(app, caller, id, headers, body).await,
        Some("DELETE") => terminate(app, caller, id).await,
        Some("HEAD") => show(app, caller, id).await,
        _ => Err(super::error::no_such_method().await),
    }
}

/// Refuses other versions of tus, and says on every answer which one this is.
pub(super) async fn speak_tus(request: Request, next: Next) -> Response {
    let speaks = request
        .headers()
        .get(&TUS_RESUMABLE)
        .is_some_and(|version| version.as_bytes() == tus::VERSION.as_bytes());
    let mut response = if speaks {
        next.run(request).await
    } else {
        let detail = format!("say Tus-Resumable: {}, no other version is spoken", tus::VERSION);
        ApiError::new(ErrorCode::UploadVersionUnsupported, detail)
            .with_header(TUS_VERSION, HeaderValue::from_static(tus::VERSION))
            .into_response()
    };
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(tus::VERSION));
    response
}

/// Adds to the answer of OPTIONS, which CORS gives, what this server has of tus.
pub(super) async fn tell_options(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_asked =
        request.method() == Method::OPTIONS && request.uri().path().starts_with("/v1/uploads");
    let mut response = next.run(request).await;
    if is_asked {
        let headers = response.headers_mut();
        for (name, value) in [
            (TUS_RESUMABLE, tus::VERSION),
            (TUS_VERSION, tus::VERSION),
            (HeaderName::from_static("tus-extension"), tus::EXTENSIONS),
            (HeaderName::from_static("tus-checksum-algorithm"), tus::CHECKSUM_ALGORITHMS),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(TUS_MAX_SIZE, app.config.upload_bytes_max.into());
    }
    response
}

fn put_progress(headers: &mut HeaderMap, upload: &Upload) {
    headers.insert(UPLOAD_OFFSET, upload.offset.into());
    if upload.sha256.is_none() {
        let expires = SystemTime::UNIX_EPOCH + Duration::from_millis(upload.expires_at.0);
        let mut expiry = HeaderMap::new();
        expiry.typed_insert(Expires::from(expires));
        headers.extend(expiry.remove(header::EXPIRES).map(|value| (UPLOAD_EXPIRES, value)));
    }
}

fn metadata_of(upload: &Upload) -> String {
    let mut pairs = vec![
        format!("filename {}", STANDARD.encode(&upload.file_name)),
        format!("content_type {}", STANDARD.encode(&upload.content_type)),
    ];
    if let Some(sha256) = upload.declared_sha256 {
        pairs.push(format!("sha256 {}", STANDARD.encode(hex::encode(sha256))));
    }
    pairs.join(",")
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::invalid(format!("{name} must be ASCII")))?;
    Ok(Some(text.trim()))
}

fn required<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, ApiError> {
    text(headers, name)?.ok_or_else(|| ApiError::invalid(format!("the header {name} is missing")))
}

fn checksum(headers: &HeaderMap) -> Result<Option<BodyChecksum>, ApiError> {
    Ok(text(headers, &UPLOAD_CHECKSUM)?.map(BodyChecksum::parse).transpose()?)
}

fn is_upload_body(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(tus::BODY_TYPE.as_bytes()))
}

fn stream(body: HttpBody) -> UploadBody {
    body.into_data_stream().map(|piece| piece.map_err(Into::into)).boxed()
}

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
