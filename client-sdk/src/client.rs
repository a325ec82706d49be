//! What an app calls.

mod accounts;
mod conversations;
mod media;
mod messages;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::{sync::DropGuard, task::TaskTracker};

use crate::{
    config::ClientConfig,
    core::Core,
    error::Result,
    events::{Events, LinkState, Position},
    lanes,
    link::{self, LinkInput},
    outbox::Sending,
    sync, upkeep,
    upload::Uploading,
};

pub use accounts::NewAccount;
pub use messages::Draft;

/// One account on this device.
///
/// Clones share everything. The work in the background ends with [`Self::close`], or when the last
/// clone is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    core: Arc<Core>,
    tasks: TaskTracker,
    _close_on_drop: Arc<DropGuard>,
}

impl Client {
    /// Opens the account's state folder, and goes on where the last run ended.
    ///
    /// Needs no network: what was asked for before goes on by itself once there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) and [`Error::State`](crate::Error::State).
    pub async fn open(config: ClientConfig) -> Result<Self> {
        let (core, link_inputs) = Core::open(config).await?;
        let tasks = TaskTracker::new();
        let guard = Arc::new(core.closed.clone().drop_guard());
        tasks.spawn(lanes::run::<Sending>(Arc::clone(&core)));
        tasks.spawn(lanes::run::<Uploading>(Arc::clone(&core)));
        if core.state.is_syncing() {
            tasks.spawn(sync::run(Arc::clone(&core)));
            tasks.spawn(upkeep::run(Arc::clone(&core)));
            tasks.spawn(keep_link(Arc::clone(&core), link_inputs));
        }
        Ok(Self { core, tasks, _close_on_drop: guard })
    }

    /// What happens, from the first update on that was not confirmed.
    #[must_use]
    pub fn events(&self) -> Events {
        self.core.hub.listen(self.core.state.clone(), self.core.closed.clone())
    }

    /// Says that the app has everything up to `position`: it is not told again.
    ///
    /// # Errors
    ///
    /// [`Error::State`](crate::Error::State).
    pub async fn confirm(&self, position: Position) -> Result<()> {
        self.core.state.confirm(position).await?;
        self.core.hub.ring_confirmed();
        Ok(())
    }

    /// Whether this client keeps the connection and reads the inbox, or another process on the same
    /// folder does.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.core.state.is_syncing()
    }

    /// The connection's last known state; `None` before the first attempt has an outcome.
    #[must_use]
    pub fn link(&self) -> Option<LinkState> {
        *self.core.link().borrow()
    }

    /// Says that the network came back or changed: nothing waits for its next attempt.
    pub fn network_changed(&self) {
        self.core.tell_link(LinkInput::NetworkChanged);
        self.core.ring_retry();
        self.core.sync_bell.notify_one();
    }

    /// Tries the connection again after [`LinkState::Ended`].
    pub fn reconnect(&self) {
        self.core.reconnect_bell.notify_one();
    }

    /// Stops everything in the background, and waits until it has.
    pub async fn close(self) {
        self.core.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.core.state.close().await;
    }
}

/// Keeps the signaling connection while somebody is logged in, and again after each log in.
async fn keep_link(core: Arc<Core>, mut inputs: mpsc::Receiver<LinkInput>) {
    while !core.closed.is_cancelled() {
        let is_logged_in = core.state.access_token().await.is_ok_and(|token| token.is_some());
        // What was said while there was no link, the new one reads from the state.
        while inputs.try_recv().is_ok() {}
        if is_logged_in {
            link::run(Arc::clone(&core), &mut inputs).await;
        }
        tokio::select! {
            () = core.reconnect_bell.notified() => {}
            () = core.closed.cancelled() => {}
        }
    }
}
