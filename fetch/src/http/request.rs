//! What happens to every request: an id, a line in the log, and the form of its refusal.

use std::time::Instant;

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use nudge_proto::ErrorCode;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    ApiError,
    error::{PROBLEM_JSON, Refusal},
    extract::{Format, PROTOBUF},
};
use crate::{
    limits::{REQUEST_ID_BYTES_MAX, REQUEST_TIMEOUT},
    telemetry, traces,
};

pub(super) async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let format = Format::accepted(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let request_id = request_id(request.headers());
    let span = tracing::info_span!("request", %request_id, %method, route);
    // Below the log's span, so that what is logged within has both.
    let traced = span.in_scope(|| traces::request(&method, &route, &request_id, request.headers()));
    let mut response = next.run(request).instrument(traced.clone()).instrument(span).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        if let Some(cause) = &refusal.cause {
            tracing::error!(%request_id, %method, path, cause, "a request failed");
        }
        response = render(response, refusal, format, &request_id);
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    let elapsed_ms = elapsed.as_millis() as u64;
    tracing::debug!(%request_id, %method, path, status, elapsed_ms, "answered");
    traces::answered(&traced, status);
    telemetry::answered(&method, route, status, elapsed);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What the client or a proxy calls the request, if that is fit for a log; a new name otherwise.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_fit = |id: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain)
    };
    given.filter(is_fit).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Refuses to put a part of something: taken for the whole it would replace what it belongs to (RFC 9110,
/// section 14.5).
pub(super) async fn refuse_partial_put(request: Request, next: Next) -> Response {
    if request.method() == Method::PUT && request.headers().contains_key(header::CONTENT_RANGE) {
        return ApiError::invalid(
            "nothing here can be put in parts: send it without Content-Range",
        )
        .into_response();
    }
    next.run(request).await
}

/// Gives a request that is no transfer its time. What it wrote may have happened: a retry tells.
pub(super) async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail =
                format!("the request took more than {} s: try again", REQUEST_TIMEOUT.as_secs());
            ApiError::new(ErrorCode::RequestTimeout, detail).into_response()
        }
    }
}

fn render(response: Response, refusal: Refusal, format: Format, request_id: &str) -> Response {
    let mut problem = refusal.problem;
    problem.request_id = request_id.to_owned();
    let content_type = match format {
        Format::Json => PROBLEM_JSON,
        Format::Protobuf => PROTOBUF,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let body = format.encode(&problem).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}
