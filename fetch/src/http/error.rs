//! Refusals as RFC 9457 problem documents.

use std::any::Any;

use axum::{
    extract::rejection::{PathRejection, QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nudge_proto::{ErrorCode, pb::content::Problem};

use crate::{auth::AuthError, store::StoreError};

/// A refusal: what was wrong, and what to do.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A refusal with its reason for a person.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), headers: Vec::new() }
    }

    /// A value that is not of the form the call takes.
    pub fn invalid(detail: impl ToString) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail.to_string())
    }

    /// Says it in a header too.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What the middleware renders in the form that the client accepts.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) problem: Problem,
    /// For the log, when the client is told less.
    pub(super) cause: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_fault = matches!(self.code, ErrorCode::Internal | ErrorCode::Unavailable);
        // What failed inside is the operator's business.
        let (detail, cause) = if is_fault {
            ("something failed inside: try again later".to_owned(), Some(self.detail))
        } else {
            (self.detail, None)
        };
        let problem = Problem {
            r#type: "about:blank".to_owned(),
            title: self.code.as_str().replace('_', " "),
            status: status.as_u16().into(),
            detail,
            code: self.code.as_str().to_owned(),
            request_id: String::new(),
        };
        let mut response = status.into_response();
        response.headers_mut().extend(self.headers);
        if is_fault || self.code == ErrorCode::RateLimited {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(Refusal { problem, cause });
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let refusal = Self::new(error.code(), error.to_string());
        if let StoreError::OffsetMismatch { offset, .. } = error {
            return refusal.with_header(HeaderName::from_static("upload-offset"), offset.into());
        }
        refusal
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

/// RFC 9457, section 6.1.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

pub(super) async fn no_such_path() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is no such path")
}

pub(super) async fn no_such_method() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this path has no such method")
}

pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    ApiError::new(ErrorCode::Internal, format!("a handler panicked: {what}")).into_response()
}
