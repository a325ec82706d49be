use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use nudge_proto::{DeviceId, ErrorCode, Handle, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{ApiError, App, devices::revoke_and_tell};
use crate::bus::BusEvent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Kick {
    /// An id or a handle.
    user: String,
    /// Absent for every device of the user.
    device_id: Option<DeviceId>,
    /// For good.
    #[serde(default)]
    revoke: bool,
}

/// Ends connections, on every node that the bus reaches; with `revoke` they do not come back.
pub(in crate::http) async fn kick(
    State(app): State<App>,
    kick: Result<Json<Kick>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(kick) = kick.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let user_id = find(&app, &kick.user).await?;
    let all = app.store.devices(user_id).await?.into_iter().map(|device| device.id);
    let devices: Vec<_> =
        all.filter(|id| kick.device_id.is_none_or(|wanted| wanted == *id)).collect();
    if devices.is_empty() && kick.device_id.is_some() {
        return Err(ApiError::new(ErrorCode::NotFound, "this user has no such active device"));
    }
    if kick.revoke {
        for device_id in &devices {
            revoke_and_tell(&app, user_id, *device_id).await?;
        }
    } else {
        app.bus.publish(BusEvent::Kicked { user_id, device_id: kick.device_id });
    }
    let revoked = kick.revoke;
    tracing::info!(target: super::AUDIT, %user_id, ?devices, revoked, "connections were ended");
    Ok(Json(json!({ "user_id": user_id, "devices": devices, "revoked": revoked })))
}

/// The user of an id or a handle.
pub(super) async fn find(app: &App, user: &str) -> Result<UserId, ApiError> {
    let account = match (user.parse::<UserId>(), user.parse::<Handle>()) {
        (Ok(id), _) => app.store.account(id).await?,
        (Err(_), Ok(handle)) => app.store.account_by_handle(&handle).await?,
        (Err(_), Err(_)) => {
            return Err(ApiError::invalid(format!("{user:?} is neither a user id nor a handle")));
        }
    };
    let unknown = || ApiError::new(ErrorCode::NotFound, format!("there is no user {user}"));
    Ok(account.ok_or_else(unknown)?.user.id)
}
