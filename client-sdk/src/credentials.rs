//! The three credentials of this device, and who may renew them.

use nudge_proto::pb::content as pb;
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Error,
    error::Result,
    events::{Hub, ResyncReason},
    state::State,
};

/// What the state folder holds of them; another process on it may renew them at any time.
#[derive(Debug)]
pub(crate) struct Credentials {
    state: State,
    hub: Hub,
    /// One renewal at a time.
    turn: Mutex<()>,
}

impl Credentials {
    pub(crate) fn new(state: State, hub: Hub) -> Self {
        Self { state, hub, turn: Mutex::new(()) }
    }

    pub(crate) async fn access_token(&self) -> Result<String> {
        self.state.access_token().await?.ok_or(Error::LoggedOut)
    }

    /// Held while credentials are made, renewed or forgotten.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What to renew with; nothing when `refused` is no longer the access token.
    pub(crate) async fn refresh_token(&self, refused: &str) -> Result<Option<String>> {
        if self.access_token().await? != refused {
            return Ok(None);
        }
        self.state.refresh_token().await?.ok_or(Error::LoggedOut).map(Some)
    }

    /// Stores what `presented` was renewed to, unless another renewal was faster.
    pub(crate) async fn put_renewed(&self, session: &pb::Session, presented: &str) -> Result<()> {
        self.state.put_renewed(session, presented).await
    }

    /// The chain of renewals has gone on without this state: it is older than the device.
    pub(crate) async fn handle_reuse(&self) -> Result<()> {
        self.state.store_resync(ResyncReason::StateRestored).await?;
        self.hub.ring_stored();
        Ok(())
    }
}
