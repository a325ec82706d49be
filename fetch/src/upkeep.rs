//! What runs by itself: receipts, retention, deletions, keys, metrics. Each may die at any instant and begin
//! again.

mod trusted;

use std::{sync::Arc, time::Duration};

use nudge_proto::{Epoch, MediumId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bus::BusEvent,
    http::App,
    limits::{CLOCK_STEP_MAX, CLOCK_STEP_STANDS, ORPHANS_KEPT},
    media::{
        MediaError,
        collector::{self, Collected},
    },
    objects::ObjectsConfig,
    store::{StoreError, StoreIdentity, UnixMs},
    telemetry,
    watch::WatchHub,
};
use trusted::{News, TrustedTime};

/// Begins all of it, with the store's epoch as it is known; ends with `stop`.
pub(crate) fn start(
    app: &App,
    hub: &Arc<WatchHub>,
    epoch: Epoch,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let spawn = |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let stop = stop.clone();
        tasks.spawn(async move {
            let _ = stop.run_until_cancelled(work).await;
        });
    };
    spawn(Box::pin(settle_receipts(app.clone())));
    spawn(Box::pin(sweep(app.clone())));
    spawn(Box::pin(collect_objects(app.clone())));
    spawn(Box::pin(continue_deletions(app.clone())));
    spawn(Box::pin(rotate_keys(app.clone())));
    spawn(Box::pin(follow_epoch(app.clone(), Arc::clone(hub), epoch)));
    spawn(Box::pin(tidy_metrics()));
    spawn(Box::pin(account(app.clone())));
}

async fn settle_receipts(app: App) {
    loop {
        tokio::time::sleep(RECEIPTS_EVERY).await;
        match app.store.settle_receipts(app.clock.now()).await {
            Ok((moved, _)) if moved.is_empty() => {}
            Ok((moved, _)) => app.bus.publish(BusEvent::Moved(moved)),
            Err(error) => report("receipts", &error).await,
        }
    }
}

async fn sweep(app: App) {
    let mut time = None;
    loop {
        let swept = async {
            let now = trusted(&mut time, told_time(&app).await?, app.clock.steady());
            app.store.sweep(app.config.retention, now).await
        };
        match swept.await {
            Ok(swept) => {
                telemetry::expired(swept.messages);
                remove_objects(&app, &swept.media).await;
                if !swept.more {
                    tokio::time::sleep(SWEEP_EVERY).await;
                }
            }
            Err(error) => report("retention", &error).await,
        }
    }
}

/// The earlier of this node's clock and the store's: of many nodes, one whose clock is ahead removes nothing.
async fn told_time(app: &App) -> Result<UnixMs, StoreError> {
    let own = app.clock.now();
    let Some(shared) = app.store.time().await? else { return Ok(own) };
    let ahead = Duration::from_millis(own.0.saturating_sub(shared.0));
    if ahead > CLOCK_STEP_MAX {
        let ahead_s = ahead.as_secs();
        tracing::warn!(
            ahead_s,
            "this node's clock is ahead of the database's: set the wrong one right"
        );
    }
    Ok(own.min(shared))
}

fn trusted(time: &mut Option<TrustedTime>, wall: UnixMs, steady: Duration) -> UnixMs {
    let told = time.get_or_insert_with(|| TrustedTime::new(wall, steady)).tell(wall, steady);
    match told.news {
        Some(News::Doubted(ahead)) => tracing::warn!(
            ahead_s = ahead.as_secs(),
            stands_s = CLOCK_STEP_STANDS.as_secs(),
            "the clock stepped ahead: nothing is removed by its new time before that has stood for a \
             while; set it right, if it is wrong"
        ),
        Some(News::Believed(ahead)) => {
            tracing::warn!(ahead_s = ahead.as_secs(), "retention follows the clock's step ahead");
        }
        None => {}
    }
    told.now
}

async fn remove_objects(app: &App, media: &[MediumId]) {
    for &id in media {
        // The collector finds what stays.
        if let Err(error) = app.objects.delete(id).await {
            tracing::warn!(%error, %id, "an object could not be removed");
        }
    }
}

async fn collect_objects(app: App) {
    // To list an object store costs: it is done seldom, and not by all nodes at once after a deploy.
    let is_remote = matches!(app.config.objects, ObjectsConfig::Remote(_));
    let every = if is_remote { COLLECT_REMOTE_EVERY } else { COLLECT_EVERY };
    if is_remote {
        tokio::time::sleep(every.mul_f64(rand::random())).await;
    }
    loop {
        match collect(&app).await {
            Ok(collected) => tracing::debug!(?collected, "objects without a medium removed"),
            Err(error) => tracing::warn!(%error, "objects without a medium must wait"),
        }
        tokio::time::sleep(every).await;
    }
}

async fn collect(app: &App) -> Result<Collected, MediaError> {
    let kept_ms = ORPHANS_KEPT.as_millis() as u64;
    let old = UnixMs(told_time(app).await?.0.saturating_sub(kept_ms));
    collector::collect(app.store.as_ref(), app.objects.as_ref(), old).await
}

async fn continue_deletions(app: App) {
    loop {
        let now: UnixMs = app.clock.now();
        match app.store.continue_deletion(now).await {
            Ok(outcome) => {
                if !outcome.moved.is_empty() {
                    app.bus.publish(BusEvent::Moved(outcome.moved));
                }
                if !outcome.value {
                    tokio::time::sleep(DELETIONS_EVERY).await;
                }
            }
            Err(error) => report("an account's deletion", &error).await,
        }
    }
}

async fn rotate_keys(app: App) {
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        match app.auth.rotate().await {
            Ok(true) => app.bus.publish(BusEvent::KeysChanged),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the keys could not be read"),
        }
    }
}

async fn account(app: App) {
    app.milestones.account(app.store.as_ref()).await;
}

/// Another node, or the operator, may begin a new epoch at any time: whoever holds a connection hears of it.
async fn follow_epoch(app: App, hub: Arc<WatchHub>, mut known: Epoch) {
    hub.learn_epoch(known);
    loop {
        match app.store.identity().await {
            Ok(StoreIdentity { epoch, .. }) if epoch != known => {
                tracing::warn!(%epoch, "the store has a new epoch: every inbox is read again");
                hub.learn_epoch(epoch);
                app.bus.publish(BusEvent::EpochChanged(epoch));
                known = epoch;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the epoch could not be read"),
        }
        tokio::time::sleep(EPOCH_EVERY).await;
    }
}

/// What was recorded waits in memory until it is summed up, also when nobody asks for it.
async fn tidy_metrics() {
    loop {
        tokio::time::sleep(METRICS_EVERY).await;
        if let Some(recorder) = telemetry::recorder() {
            recorder.run_upkeep();
        }
    }
}

async fn report(what: &str, error: &StoreError) {
    tracing::warn!(%error, "{what} must wait");
    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
}

const RECEIPTS_EVERY: Duration = Duration::from_millis(100);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const COLLECT_EVERY: Duration = Duration::from_secs(3600);
const COLLECT_REMOTE_EVERY: Duration = Duration::from_secs(12 * 3600);
const DELETIONS_EVERY: Duration = Duration::from_secs(2);
const EPOCH_EVERY: Duration = Duration::from_secs(1);
const KEYS_EVERY: Duration = Duration::from_secs(600);
const METRICS_EVERY: Duration = Duration::from_secs(5);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
