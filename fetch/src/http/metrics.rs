use std::sync::Arc;

use axum::{Extension, http::header};
use nudge_proto::ErrorCode;

use super::ApiError;
use crate::{telemetry, watch::WatchHub};

/// What was counted, in the text format of Prometheus.
pub(super) async fn show(
    Extension(hub): Extension<Arc<WatchHub>>,
) -> Result<([(header::HeaderName, &'static str); 1], String), ApiError> {
    let Some(recorder) = telemetry::recorder() else {
        let elsewhere = "this process counts with a recorder of its own";
        return Err(ApiError::new(ErrorCode::NotFound, elsewhere));
    };
    telemetry::watched(hub.streams(), hub.held_sessions());
    recorder.run_upkeep();
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], recorder.render()))
}

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
