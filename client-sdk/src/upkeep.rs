//! What the process that reads the inbox does for the state folder from time to time.

use std::{sync::Arc, time::Duration};

use tokio::time::interval;

use crate::{
    core::{Core, unix_ms},
    error::Result,
};

/// Works until the client is closed.
pub(crate) async fn run(core: Arc<Core>) {
    let mut rounds = interval(ROUND);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = core.closed.cancelled() => return,
        }
        if let Err(error) = round(&core).await {
            tracing::warn!(%error, "the state folder was not looked after");
        }
    }
}

async fn round(core: &Core) -> Result<()> {
    // Another process that has not sent its message by now is most likely dead; if it is not, the
    // message is sent twice under one id, which is once.
    let until_ms = unix_ms().saturating_sub(ADOPTION_AGE.as_millis() as u64);
    if core.state.adopt_outbox(until_ms).await? {
        core.outbox_bell.notify_one();
        core.uploads_bell.notify_one();
    }
    core.state.forget_old().await
}

/// How often the folder is looked after.
const ROUND: Duration = Duration::from_secs(15);
/// Messages of other processes that wait for longer are taken over.
const ADOPTION_AGE: Duration = Duration::from_secs(45);
