//! Accounts, devices, people.

use nudge_proto::{DeviceId, ErrorCode, UserId, pb::content as pb};
use prost::Message as _;
use reqwest::Method;

use super::Client;
use crate::{
    Error,
    error::Result,
    link::LinkInput,
    model::{self, Device, User},
};

/// An account that is to be.
#[derive(Clone)]
pub struct NewAccount {
    /// 3 to 32 of `a-z`, `0-9`, `.`, `_`, `-`, starting with a letter; never given to another.
    pub handle: String,
    /// 8 to 1,024 bytes.
    pub password: String,
    /// How others see it; the handle when empty.
    pub display_name: String,
    /// Where registration needs one.
    pub invite: Option<String>,
}

impl std::fmt::Debug for NewAccount {
    /// Leaves the secrets out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewAccount").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes an account. Asked again after a lost answer, it answers with the same one.
    ///
    /// # Errors
    ///
    /// Refusals, `handle_taken` among them; [`Error::Offline`].
    pub async fn register(&self, account: NewAccount) -> Result<User> {
        let request = pb::CreateAccountRequest {
            request_id: self.core.state.registration_id().await?.to_string(),
            handle: account.handle,
            password: account.password,
            display_name: account.display_name,
            invite: account.invite,
        };
        model::user(self.core.http.ask_as_nobody("/v1/accounts", &request).await?)
    }

    /// Makes this folder a device of the account, and begins to read its inbox.
    ///
    /// # Errors
    ///
    /// [`Error::OtherAccount`]; refusals, `credentials_invalid` among them; [`Error::Offline`].
    pub async fn log_in(&self, handle: &str, password: &str) -> Result<User> {
        if let Some(owner) = self.core.state.user().await?
            && !owner.handle.eq_ignore_ascii_case(handle)
        {
            return Err(Error::OtherAccount { handle: owner.handle });
        }
        let turn = self.core.http.credentials_turn().await;
        let session = match self.new_session(handle, password).await {
            // A device that was revoked never comes back; the account may have a new one.
            Err(error) if error.code() == Some(ErrorCode::DeviceRevoked) => {
                self.core.state.forget_credentials().await?;
                self.new_session(handle, password).await?
            }
            other => other?,
        };
        self.core.state.put_session(&session).await?;
        drop(turn);
        self.core.hub.ring_stored();
        self.wake_all();
        self.user().await?.ok_or(Error::LoggedOut)
    }

    async fn new_session(&self, handle: &str, password: &str) -> Result<pb::Session> {
        let request = pb::CreateSessionRequest {
            device_id: self.core.state.device_id().await?.to_string(),
            device_name: self.core.config.device_name.clone(),
            handle: Some(handle.to_owned()),
            password: Some(password.to_owned()),
            issuer_token: None,
        };
        self.core.http.ask_as_nobody("/v1/sessions", &request).await
    }

    /// Ends this device's session; what waits in the outbox stays there for the next log in.
    ///
    /// # Errors
    ///
    /// [`Error::Offline`]: the server has to know.
    pub async fn log_out(&self) -> Result<()> {
        match self.core.http.tell(Method::DELETE, "/v1/sessions/current", None).await {
            Err(error) if !error.is_session_over() => return Err(error),
            _ => {}
        }
        let _turn = self.core.http.credentials_turn().await;
        self.core.state.forget_credentials().await
    }

    /// Who is logged in with this folder, if anybody is.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn user(&self) -> Result<Option<User>> {
        match self.core.state.access_token().await? {
            Some(_) => self.core.state.user().await,
            None => Ok(None),
        }
    }

    /// This device's id: another one after each log out.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn device_id(&self) -> Result<DeviceId> {
        self.core.state.device_id().await
    }

    /// Looks a user up.
    ///
    /// # Errors
    ///
    /// `not_found`, and what every request may meet.
    pub async fn find_user(&self, handle: &str) -> Result<User> {
        let handle: nudge_proto::Handle =
            handle.parse().map_err(|error: nudge_proto::handle::InvalidHandle| {
                Error::InvalidInput(error.to_string())
            })?;
        let said = self.core.http.get(&format!("/v1/users/{handle}")).await?;
        let user = model::user(said)?;
        self.core.state.put_person(&user).await?;
        Ok(user)
    }

    /// Who is behind an id, as far as this device has seen it in a conversation or a look-up.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn person(&self, id: UserId) -> Result<Option<User>> {
        self.core.state.person(id).await
    }

    /// Changes how others see this account.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn set_display_name(&self, display_name: &str) -> Result<User> {
        let request = pb::UpdateProfileRequest { display_name: Some(display_name.to_owned()) };
        let user = model::user(self.core.http.ask(Method::PATCH, "/v1/me", &request).await?)?;
        self.core.state.put_own_name(&user.display_name).await?;
        self.core.state.put_person(&user).await?;
        Ok(user)
    }

    /// Changes the password.
    ///
    /// # Errors
    ///
    /// `credentials_invalid`, other refusals, [`Error::Offline`].
    pub async fn change_password(&self, current: &str, new: &str) -> Result<()> {
        let request = pb::ChangePasswordRequest {
            current_password: current.to_owned(),
            new_password: new.to_owned(),
        };
        let body = Some(request.encode_to_vec());
        self.core.http.tell(Method::PUT, "/v1/me/password", body).await
    }

    /// Deletes the account, for good, and everything of it in the state folder.
    ///
    /// # Errors
    ///
    /// `credentials_invalid`, other refusals, [`Error::Offline`].
    pub async fn delete_account(&self, password: &str) -> Result<()> {
        let request = pb::DeleteAccountRequest { password: password.to_owned() };
        let body = request.encode_to_vec();
        let mut deleted = self.core.http.tell(Method::DELETE, "/v1/me", Some(body.clone())).await;
        if matches!(deleted, Err(Error::Offline(_))) {
            deleted = self.core.http.tell(Method::DELETE, "/v1/me", Some(body)).await;
            // The answer that was lost said yes.
            if deleted.as_ref().is_err_and(Error::is_session_over) {
                deleted = Ok(());
            }
        }
        deleted?;
        self.forget_account().await
    }

    /// Empties the state folder, with or without a network: it is as new then, for any account.
    ///
    /// The server goes on counting this device among the account's; [`Self::log_out`] tells it first.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn forget_account(&self) -> Result<()> {
        let _turn = self.core.http.credentials_turn().await;
        self.core.state.forget_account().await?;
        self.core.tell_link(LinkInput::End);
        self.core.outbox_bell.notify_one();
        self.core.uploads_bell.notify_one();
        Ok(())
    }

    /// The account's devices.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn devices(&self) -> Result<Vec<Device>> {
        let list: pb::DeviceList = self.core.http.get("/v1/devices").await?;
        list.devices.into_iter().map(model::device).collect()
    }

    /// Ends a device's session; its connections close at once.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn revoke_device(&self, id: DeviceId) -> Result<()> {
        self.core.http.tell(Method::DELETE, &format!("/v1/devices/{id}"), None).await
    }

    /// Wants nothing more from a user; he cannot tell.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn block(&self, user: UserId) -> Result<()> {
        self.core.http.tell(Method::PUT, &format!("/v1/blocks/{user}"), None).await
    }

    /// Hears from a user again.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn unblock(&self, user: UserId) -> Result<()> {
        self.core.http.tell(Method::DELETE, &format!("/v1/blocks/{user}"), None).await
    }

    fn wake_all(&self) {
        self.core.reconnect_bell.notify_one();
        self.core.ring_retry();
        self.core.sync_bell.notify_one();
    }
}
