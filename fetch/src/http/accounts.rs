use axum::extract::State;
use nudge_proto::{
    ErrorCode, Handle, UserId,
    limits::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN},
    pb::content as pb,
};

use super::{
    ApiError, App, convert,
    extract::{ApiResult, Body, Format},
};
use crate::{
    auth::{AuthError, Peer},
    config::Registration,
    store::NewAccount,
};

pub(super) async fn create(
    State(app): State<App>,
    peer: Peer,
    format: Format,
    Body(request): Body<pb::CreateAccountRequest>,
) -> ApiResult {
    check_registration(&app.config.registration, request.invite.as_deref())?;
    let request_id = request.request_id.parse().map_err(ApiError::invalid)?;
    let handle: Handle = request.handle.parse().map_err(ApiError::invalid)?;
    let display_name = name_or(&request.display_name, handle.as_str())?;
    let password = check_password(request.password)?;
    app.auth.count_attempt(peer, &handle)?;
    let now = app.clock.now();
    let hash = app.auth.passwords.hash(password.clone()).await?;
    let new = NewAccount {
        user_id: UserId::at_time(now.0),
        request_id,
        handle,
        display_name,
        password_hash: Some(hash),
        now,
    };
    let made = app.store.create_account(new).await?;
    if !made.created {
        // A retry must know the password: the request id alone is no secret.
        let hash = made.account.password_hash.clone();
        if !app.auth.passwords.check(password, hash).await? {
            return Err(AuthError::Credentials.into());
        }
    }
    format.created(made.created, &convert::user(&made.account.user))
}

fn check_registration(registration: &Registration, invite: Option<&str>) -> Result<(), ApiError> {
    match registration {
        Registration::Open => Ok(()),
        Registration::Closed => Err(ApiError::new(
            ErrorCode::RegistrationClosed,
            "this server takes no registrations: ask its operator for an account",
        )),
        Registration::Invite(codes) => {
            let is_known = invite.is_some_and(|invite| codes.iter().any(|code| code == invite));
            is_known.then_some(()).ok_or_else(|| {
                ApiError::new(ErrorCode::InviteInvalid, "registering here needs a valid invite")
            })
        }
    }
}

/// The name, within its limit, or the other one when it is empty.
pub(super) fn name_or(name: &str, otherwise: &str) -> Result<String, ApiError> {
    let name = if name.trim().is_empty() { otherwise } else { name.trim() };
    if name.len() > NAME_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "a name has at most {NAME_BYTES_MAX} bytes, not {}",
            name.len()
        )));
    }
    check_printable("a name", name)?;
    Ok(name.to_owned())
}

/// What people see of each other is text, and no order to a terminal.
pub(super) fn check_printable(what: &str, text: &str) -> Result<(), ApiError> {
    match text.chars().find(|letter| letter.is_control()) {
        Some(letter) => Err(ApiError::invalid(format!(
            "{what} has no control characters, but this one has {letter:?}"
        ))),
        None => Ok(()),
    }
}

pub(super) fn check_password(password: String) -> Result<String, ApiError> {
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Err(ApiError::invalid(format!(
            "a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes, not {}",
            password.len()
        )));
    }
    Ok(password)
}
