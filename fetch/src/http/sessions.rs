use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use nudge_proto::{Handle, pb::content as pb};

use super::{
    ApiError, App,
    accounts::name_or,
    devices::{revoke_and_tell, tell_revoked},
    extract::{ApiResult, Body, Format},
};
use crate::{
    auth::{AuthError, Caller, Peer},
    store::{OpenDevice, User},
};

pub(super) async fn create(
    State(app): State<App>,
    peer: Peer,
    format: Format,
    Body(request): Body<pb::CreateSessionRequest>,
) -> ApiResult {
    let device_id = request.device_id.parse().map_err(ApiError::invalid)?;
    let name = name_or(&request.device_name, "unnamed device")?;
    let user = log_in(&app, peer, request).await?;
    let chain = rand::random::<u64>() >> 1;
    let open = OpenDevice {
        user_id: user.id,
        device_id,
        name,
        refresh_chain: chain,
        now: app.clock.now(),
    };
    let opened = app.store.open_device(open).await?;
    let session = app.auth.issue(&user, device_id, chain, 1, opened.cursor)?;
    format.created(opened.created, &session)
}

pub(super) async fn refresh(
    State(app): State<App>,
    format: Format,
    Body(request): Body<pb::RefreshRequest>,
) -> ApiResult {
    let bus = Arc::clone(&app.bus);
    let auth = Arc::clone(&app.auth);
    let refresh = async move {
        let refreshed = auth.refresh(&request.refresh_token).await;
        if let Err(AuthError::RefreshReused(Caller { user_id, device_id })) = &refreshed {
            tell_revoked(&auth, bus.as_ref(), *user_id, Some(*device_id));
        }
        Ok(refreshed?)
    };
    format.ok(&app.see_through(refresh).await?)
}

pub(super) async fn end(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    revoke_and_tell(&app, caller.user_id, caller.device_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn log_in(
    app: &App,
    peer: Peer,
    request: pb::CreateSessionRequest,
) -> Result<User, ApiError> {
    let (Some(handle), Some(password)) = (request.handle, request.password) else {
        return Err(ApiError::invalid("a session needs handle and password"));
    };
    let handle: Handle = handle.parse().map_err(|_| AuthError::Credentials)?;
    app.auth.count_attempt(peer, &handle)?;
    let account = app.store.account_by_handle(&handle).await?;
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let is_right = app.auth.passwords.check(password, hash).await?;
    match account {
        Some(account) if is_right => Ok(account.user),
        _ => Err(AuthError::Credentials.into()),
    }
}
