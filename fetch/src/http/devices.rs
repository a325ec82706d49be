use axum::{extract::State, http::StatusCode};
use nudge_proto::{DeviceId, UserId, pb::content as pb};

use super::{
    ApiError, App,
    extract::{ApiResult, Format, Path},
};
use crate::{
    auth::{Auth, Caller},
    bus::{Bus, BusEvent},
};

pub(super) async fn list(State(app): State<App>, caller: Caller, format: Format) -> ApiResult {
    let devices = app.store.devices(caller.user_id).await?;
    let devices = devices.into_iter().map(|device| pb::Device {
        id: device.id.to_string(),
        name: device.name,
        created_at_ms: device.created_at.0,
        current: device.id == caller.device_id,
        acked_seq: device.acked.0,
    });
    format.ok(&pb::DeviceList { devices: devices.collect() })
}

pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(device_id): Path<DeviceId>,
) -> Result<StatusCode, ApiError> {
    revoke_and_tell(&app, caller.user_id, device_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes a device: its tokens end here at once, its connections wherever the bus reaches.
pub(super) async fn revoke_and_tell(
    app: &App,
    user_id: UserId,
    device_id: DeviceId,
) -> Result<(), ApiError> {
    let (this, now) = (app.clone(), app.clock.now());
    app.see_through(async move {
        this.store.revoke_device(user_id, device_id, now).await?;
        tell_revoked(&this.auth, this.bus.as_ref(), user_id, Some(device_id));
        Ok(())
    })
    .await
}

/// What the store has revoked is no good here from now on, and elsewhere once the bus has told.
pub(super) fn tell_revoked(
    auth: &Auth,
    bus: &dyn Bus,
    user_id: UserId,
    device_id: Option<DeviceId>,
) {
    auth.revoke(user_id, device_id);
    bus.publish(BusEvent::Revoked { user_id, device_id });
}
