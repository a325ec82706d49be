//! What handlers take in, and the form they answer in.

use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use nudge_proto::{ErrorCode, limits::REQUEST_BYTES_MAX};
use serde::{Serialize, de::DeserializeOwned};

use super::{ApiError, App};
use crate::auth::{AuthError, Caller, Peer};

/// What handlers answer.
pub(super) type ApiResult = Result<Response, ApiError>;

/// Path segments, typed.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub(super) T);

/// Query parameters, typed.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(super) struct Query<T>(pub(super) T);

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or(AuthError::AccessInvalid)?
            .1;
        Ok(app.auth.caller(token.trim()).await?)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<Self>().copied();
        peer.ok_or_else(|| ApiError::new(ErrorCode::Internal, "a request from nowhere"))
    }
}

/// JSON, or protobuf for who asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Protobuf,
}

impl Format {
    /// By the `Accept` header; JSON unless protobuf is named.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(header::ACCEPT).iter().any(names_protobuf);
        if accepts { Self::Protobuf } else { Self::Json }
    }

    /// Answers 200.
    pub(super) fn ok<T: prost::Message + Serialize>(self, value: &T) -> ApiResult {
        self.answer(StatusCode::OK, value)
    }

    /// Answers 201 when something was made and 200 when it was there before.
    pub(super) fn created<T: prost::Message + Serialize>(
        self,
        created: bool,
        value: &T,
    ) -> ApiResult {
        self.answer(if created { StatusCode::CREATED } else { StatusCode::OK }, value)
    }

    /// Answers with `status`.
    pub(super) fn answer<T: prost::Message + Serialize>(
        self,
        status: StatusCode,
        value: &T,
    ) -> ApiResult {
        let (content_type, body) = match self {
            Self::Json => (JSON, self.encode(value)?),
            Self::Protobuf => (PROTOBUF, self.encode(value)?),
        };
        Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body)
            .into_response())
    }

    pub(super) fn encode<T: prost::Message + Serialize>(
        self,
        value: &T,
    ) -> Result<Bytes, ApiError> {
        match self {
            Self::Protobuf => Ok(value.encode_to_vec().into()),
            Self::Json => serde_json::to_vec(value)
                .map(Bytes::from)
                .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string())),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self::accepted(&parts.headers))
    }
}

/// A request's body, JSON or protobuf.
pub(super) struct Body<T>(pub(super) T);

impl<T, S> FromRequest<S> for Body<T>
where
    T: prost::Message + Default + DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request<HttpBody>, _state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let body = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await.map_err(unreadable)?;
        match content_type {
            Some(value) if names_protobuf(&value) => T::decode(body).map(Self).map_err(|error| {
                ApiError::invalid(format!("the body is not the protobuf: {error}"))
            }),
            Some(value) if !is_json(&value) => Err(ApiError::new(
                ErrorCode::ContentTypeUnsupported,
                format!("the body must be {JSON} or {PROTOBUF}"),
            )),
            _ => serde_json::from_slice(&body)
                .map(Self)
                .map_err(|error| ApiError::invalid(format!("the body is not the JSON: {error}"))),
        }
    }
}

/// Too long, or broken off.
fn unreadable(error: axum::Error) -> ApiError {
    let source = std::error::Error::source(&error);
    if source.is_some_and(|source| source.is::<LengthLimitError>()) {
        return ApiError::new(
            ErrorCode::RequestTooLarge,
            format!("the body is above {REQUEST_BYTES_MAX} bytes"),
        );
    }
    ApiError::invalid(format!("the body broke off: {error}"))
}

fn names_protobuf(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| value.contains(PROTOBUF))
}

/// curl's `-d` says form data; what matters is whether it parses.
fn is_json(value: &HeaderValue) -> bool {
    let json = |value: &str| value.contains("json") || value.starts_with(FORM);
    value.to_str().is_ok_and(json)
}

/// The media types that bodies come in.
pub(super) const JSON: &str = "application/json";
/// For who names it.
pub(super) const PROTOBUF: &str = "application/x-protobuf";
const FORM: &str = "application/x-www-form-urlencoded";
