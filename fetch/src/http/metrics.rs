use axum::{extract::State, http::header};
use nudge_proto::ErrorCode;

use super::{ApiError, App};
use crate::telemetry;

/// What was counted, in the text format of Prometheus.
pub(super) async fn show(
    State(App { hub, .. }): State<App>,
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
