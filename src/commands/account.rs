//! Registering, logging in and out, devices.

use nudge_client_sdk::{Client, Error, ErrorCode, NewAccount, SyncMode, User};
use serde_json::json;

use crate::{
    cli::{Devices, Login, Logout, Register},
    failure::Failure,
    human,
    output::Format,
    password::{self, Ask},
    profile::Profile,
};

pub(crate) async fn register(register: Register) -> Result<(), Failure> {
    let profile = Profile::find(&register.account)?;
    let client = open_free(&profile, &register.handle).await?;
    let password = password::read(register.password_file.as_deref(), Ask::Twice)?;
    let account = NewAccount {
        handle: register.handle.clone(),
        password: password.clone(),
        display_name: register.display_name.unwrap_or_default(),
        invite: register.invite,
    };
    client.register(account).await.map_err(|error| match error.code() {
        Some(ErrorCode::HandleTaken) => Failure::new(format!(
            "{} has an owner already: choose another handle, or `nudge login` if it is you",
            register.handle
        )),
        _ => first_contact_failed(error),
    })?;
    let user = client.log_in(&register.handle, &password).await?;
    profile.remember_server()?;
    client.close().await;
    tell_logged_in("registered", "Registered and logged in", &user, &profile, register.json)
}

pub(crate) async fn login(login: Login) -> Result<(), Failure> {
    let profile = Profile::find(&login.account)?;
    let client = open_free(&profile, &login.handle).await?;
    let password = password::read(login.password_file.as_deref(), Ask::Once)?;
    let user = client.log_in(&login.handle, &password).await.map_err(first_contact_failed)?;
    profile.remember_server()?;
    client.close().await;
    tell_logged_in("logged_in", "Logged in", &user, &profile, login.json)
}

pub(crate) async fn logout(logout: Logout) -> Result<(), Failure> {
    let profile = Profile::find(&logout.account)?;
    let (client, user) = profile.open_for_requests().await?;
    client.log_out().await?;
    client.close().await;
    Format::json_if(logout.json).print(
        &json!({ "type": "logged_out", "handle": user.handle, "profile": profile.name() }),
        format!("Logged out; {} is no longer a device of {}.", profile.name(), user.handle),
    )
}

pub(crate) async fn devices(devices: Devices) -> Result<(), Failure> {
    let profile = Profile::find(&devices.account)?;
    let (client, _) = profile.open_for_requests().await?;
    let format = Format::json_if(devices.json);
    if let Some(id) = devices.revoke {
        client.revoke_device(id).await?;
        format.print(&json!({ "type": "revoked", "id": id }), format!("{id} was revoked."))?;
    } else {
        for device in client.devices().await? {
            let value = json!({
                "type": "device",
                "id": device.id,
                "name": device.name,
                "created_at_ms": device.created_at_ms,
                "current": device.is_current,
                "acked_seq": device.acked_seq,
            });
            let since = human::time(device.created_at_ms);
            let current = if device.is_current { ", this one" } else { "" };
            let name = human::safe_line(&device.name);
            format.print(&value, format!("{}  {name}, since {since}{current}", device.id))?;
        }
    }
    client.close().await;
    Ok(())
}

/// Opens a profile that nobody else has.
async fn open_free(profile: &Profile, handle: &str) -> Result<Client, Failure> {
    let client = profile.open(SyncMode::Off).await?;
    match client.user().await? {
        Some(user) if !user.handle.eq_ignore_ascii_case(handle) => Err(Failure::new(format!(
            "the profile {:?} is {}'s: name another with --profile",
            profile.name(),
            user.handle
        ))),
        _ => Ok(client),
    }
}

/// A certificate that nobody vouches for shows at the first request.
fn first_contact_failed(error: Error) -> Failure {
    if let Error::Offline(reason) = &error
        && reason.contains("certificate")
    {
        return Failure::new(format!(
            "{reason}: if it is the right server, give its certificate with --ca"
        ));
    }
    error.into()
}

fn tell_logged_in(
    what: &str,
    text: &str,
    user: &User,
    profile: &Profile,
    is_json: bool,
) -> Result<(), Failure> {
    Format::json_if(is_json).print(
        &json!({
            "type": what,
            "handle": user.handle,
            "user_id": user.id,
            "server": profile.url(),
            "profile": profile.name(),
        }),
        format!("{text} as {} at {}.", user.handle, profile.url()),
    )
}
