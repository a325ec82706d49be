use axum::{extract::State, http::StatusCode};
use nudge_proto::{ErrorCode, pb::content as pb};

use super::{
    ApiError, App,
    accounts::{check_password, name_or},
    convert,
    devices::tell_revoked,
    extract::{ApiResult, Body, Format},
};
use crate::{
    auth::{AuthError, Caller},
    store::Account,
};

pub(super) async fn show(State(app): State<App>, caller: Caller, format: Format) -> ApiResult {
    format.ok(&convert::user(&own_account(&app, caller).await?.user))
}

pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    format: Format,
    Body(request): Body<pb::UpdateProfileRequest>,
) -> ApiResult {
    let account = own_account(&app, caller).await?;
    let Some(name) = request.display_name else {
        return format.ok(&convert::user(&account.user));
    };
    let name = name_or(&name, &account.user.handle)?;
    format.ok(&convert::user(&app.store.set_display_name(caller.user_id, &name).await?))
}

pub(super) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<pb::ChangePasswordRequest>,
) -> Result<StatusCode, ApiError> {
    let new_password = check_password(request.new_password)?;
    let account = own_account(&app, caller).await?;
    app.auth.count_own_attempt(caller.user_id)?;
    let passwords = &app.auth.passwords;
    if !passwords.check(request.current_password, account.password_hash.clone()).await? {
        // It was changed before, and the answer was lost.
        return match passwords.check(new_password, account.password_hash).await? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(AuthError::Credentials.into()),
        };
    }
    let hash = passwords.hash(new_password).await?;
    app.store.set_password_hash(caller.user_id, &hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<pb::DeleteAccountRequest>,
) -> Result<StatusCode, ApiError> {
    check_own_password(&app, caller, request.password).await?;
    let (this, user_id) = (app.clone(), caller.user_id);
    app.see_through(async move {
        this.store.begin_deletion(user_id, this.clock.now()).await?;
        tell_revoked(&this.auth, this.bus.as_ref(), user_id, None);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn own_account(app: &App, caller: Caller) -> Result<Account, ApiError> {
    let account = app.store.account(caller.user_id).await?;
    account.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "this account was deleted"))
}

async fn check_own_password(app: &App, caller: Caller, password: String) -> Result<(), ApiError> {
    let account = own_account(app, caller).await?;
    app.auth.count_own_attempt(caller.user_id)?;
    if !app.auth.passwords.check(password, account.password_hash).await? {
        return Err(AuthError::Credentials.into());
    }
    Ok(())
}
