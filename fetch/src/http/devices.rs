use axum::{extract::State, http::StatusCode};
use nudge_proto::{DeviceId, UserId, pb::content as pb};

use super::{
    ApiError, App,
    extract::{ApiResult, Format, Path},
};
use crate::{auth::Caller, bus::BusEvent};

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
    app.store.revoke_device(user_id, device_id, app.clock.now()).await?;
    app.auth.revoked.insert(Caller { user_id, device_id });
    app.bus.publish(BusEvent::Revoked { user_id, device_id: Some(device_id) });
    Ok(())
}
