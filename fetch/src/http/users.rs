use axum::extract::State;
use nudge_proto::{ErrorCode, Handle};

use super::{
    ApiError, App, convert,
    extract::{ApiResult, Format, Path},
};
use crate::auth::Caller;

pub(super) async fn find(
    State(app): State<App>,
    _caller: Caller,
    Path(handle): Path<String>,
    format: Format,
) -> ApiResult {
    let handle: Handle = handle.parse().map_err(ApiError::invalid)?;
    let account = app.store.account_by_handle(&handle).await?.ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, format!("there is no user with the handle {handle}"))
    })?;
    format.ok(&convert::user(&account.user))
}
