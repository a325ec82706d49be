//! The three credentials of this device, and who may renew them.

use nudge_proto::pb::content as pb;
use tokio::sync::{Mutex, MutexGuard};

use crate::{Error, error::Result, state::State};

/// What the state folder holds of them; another process on it may renew them at any time.
#[derive(Debug)]
pub(crate) struct Credentials {
    state: State,
    /// One renewal at a time.
    turn: Mutex<()>,
}

impl Credentials {
    pub(crate) fn new(state: State) -> Self {
        Self { state, turn: Mutex::new(()) }
    }

    pub(crate) async fn access_token(&self) -> Result<String> {
        self.state.access_token().await?.ok_or(Error::LoggedOut)
    }

    /// Held while credentials are renewed.
    pub(crate) async fn refresh_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What to renew with; nothing when `refused` is no longer the access token.
    pub(crate) async fn refresh_token(&self, refused: &str) -> Result<Option<String>> {
        if self.access_token().await? != refused {
            return Ok(None);
        }
        self.state.refresh_token().await?.ok_or(Error::LoggedOut).map(Some)
    }

    pub(crate) async fn put(&self, session: &pb::Session) -> Result<()> {
        self.state.put_credentials(session).await
    }
}
