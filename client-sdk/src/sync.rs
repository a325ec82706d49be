//! Reads the inbox: woken by the link, by a timer while there is no link, and once at the start.
//!
//! A page and the cursor behind it are stored in one transaction, and only then acknowledged (P4).

use std::{sync::Arc, time::Duration};

use nudge_proto::{Cursor, ErrorCode, pb::content as pb, session::Backoff};
use reqwest::Method;
use tokio::time::sleep;

use crate::{
    Error,
    core::{Core, unix_ms},
    error::Result,
    events::{Event, Outcome, ResyncReason},
    limits::UPDATES_UNCONFIRMED_MAX,
    link::LinkInput,
};

/// Keeps the state up to date until the client is closed.
pub(crate) async fn run(core: Arc<Core>) {
    let follow = async {
        let mut backoff = backoff(&core);
        let mut is_checked = false;
        let mut retry_now = core.retry_now();
        loop {
            match catch_up(&core, &mut is_checked).await {
                Ok(()) => {
                    backoff.reset();
                    wait_for_news(&core).await;
                }
                Err(error) => {
                    let wait = backoff.next_wait();
                    tracing::debug!(%error, ?wait, "the inbox was not read");
                    tokio::select! {
                        () = sleep(wait) => {}
                        _ = retry_now.changed() => {}
                    }
                }
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = core.closed.cancelled() => {}
    }
}

/// Reads pages until nothing is behind the cursor.
async fn catch_up(core: &Core, is_checked: &mut bool) -> Result<()> {
    let user = core.state.user().await?.ok_or(Error::LoggedOut)?;
    if !*is_checked {
        check_restored(core).await?;
        *is_checked = true;
    }
    loop {
        wait_for_room(core).await?;
        let (page, resync) = next_page(core).await?;
        let is_last = page.through >= page.head;
        let is_empty = page.entries.is_empty() && resync.is_none();
        let stored = core.state.store_page(page, resync, user.id).await?;
        if !is_empty {
            core.hub.ring_stored();
        }
        for client_message_id in stored.sent {
            if let Some(Outcome::Sent(sent)) = core.state.outcome(client_message_id).await? {
                core.hub.tell(Event::Sent(sent));
            }
        }
        acknowledge(core, stored.cursor).await;
        if is_last {
            return Ok(());
        }
    }
}

async fn next_page(core: &Core) -> Result<(pb::InboxPage, Option<ResyncReason>)> {
    let cursor = core.state.cursor().await?;
    let asked = match cursor {
        Some(cursor) => core.http.get(&format!("/v1/inbox?after={cursor}")).await,
        None => core.http.get("/v1/inbox").await,
    };
    match asked {
        // The store went back in time: its numbers mean something else now.
        Err(error) if is_other_epoch(&error) => {
            Ok((core.http.get("/v1/inbox").await?, Some(ResyncReason::NewEpoch)))
        }
        Ok(page) => {
            let page: pb::InboxPage = page;
            let resync = page.truncated.then_some(ResyncReason::Truncated);
            Ok((page, resync))
        }
        Err(error) => Err(error),
    }
}

fn is_other_epoch(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::EpochMismatch | ErrorCode::CursorAhead))
}

/// A state that is older than what this device acknowledged is a copy, or a backup put back: what
/// lies between may be gone.
async fn check_restored(core: &Core) -> Result<()> {
    let Some(cursor) = core.state.cursor().await? else { return Ok(()) };
    let devices: pb::DeviceList = core.http.get("/v1/devices").await?;
    let own = devices.devices.iter().find(|device| device.current);
    if own.is_some_and(|own| own.acked_seq > cursor.seq.0) {
        core.state.store_resync(ResyncReason::StateRestored).await?;
        core.hub.ring_stored();
    }
    Ok(())
}

/// Over the link, or by a request while there is none.
async fn acknowledge(core: &Core, cursor: Cursor) {
    core.tell_link(LinkInput::Stored(cursor));
    if core.is_link_up() {
        return;
    }
    let ack = pb::AckRequest { cursor: cursor.to_string() };
    let body = prost::Message::encode_to_vec(&ack);
    if let Err(error) = core.http.tell(Method::POST, "/v1/inbox/ack", Some(body)).await {
        tracing::debug!(%error, "the acknowledgement did not arrive: the next hello carries it");
    }
}

async fn wait_for_news(core: &Core) {
    loop {
        tokio::select! {
            () = core.sync_bell.notified() => return,
            // A link that stands tells when there is something.
            () = sleep(core.config.poll_interval) => if !core.is_link_up() { return },
        }
    }
}

/// What the app has not confirmed is not allowed to grow without bound.
async fn wait_for_room(core: &Core) -> Result<()> {
    let mut confirmed = core.hub.confirmed();
    while core.state.unconfirmed(unix_ms()).await? >= UPDATES_UNCONFIRMED_MAX {
        tokio::select! {
            _ = confirmed.changed() => {}
            // Some may run out of their time.
            () = sleep(ROOM_INTERVAL) => {}
        }
    }
    Ok(())
}

fn backoff(core: &Core) -> Backoff {
    Backoff::new(core.config.retry_min, core.config.retry_max, fastrand::u64(..))
}

/// How often room is looked for that no confirmation makes.
const ROOM_INTERVAL: Duration = Duration::from_secs(10);
