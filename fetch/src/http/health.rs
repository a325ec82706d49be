//! Whether this node runs, and whether it can serve.

use axum::{Json, extract::State, http::StatusCode};
use nudge_proto::ErrorCode;

use super::{ApiError, App};
use crate::health::{Report, Status};

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The node can serve: for balancers and for everybody, and so without a reason.
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    match app.health.report().await.status {
        Status::Ready | Status::Degraded => Ok("ready\n"),
        Status::Unready => Err(ApiError::new(ErrorCode::Unavailable, "this node is not ready")),
    }
}

/// The same with every dependency, for the operator.
pub(super) async fn detail(State(app): State<App>) -> (StatusCode, Json<Report>) {
    let report = app.health.report().await;
    let status = match report.status {
        Status::Ready | Status::Degraded => StatusCode::OK,
        Status::Unready => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report))
}
