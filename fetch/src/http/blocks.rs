use axum::{extract::State, http::StatusCode};
use nudge_proto::UserId;

use super::{ApiError, App, extract::Path};
use crate::auth::Caller;

pub(super) async fn block(
    State(app): State<App>,
    caller: Caller,
    Path(other): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    if other == caller.user_id {
        return Err(ApiError::invalid("nobody can block himself"));
    }
    app.store.set_block(caller.user_id, other, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unblock(
    State(app): State<App>,
    caller: Caller,
    Path(other): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    app.store.set_block(caller.user_id, other, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
