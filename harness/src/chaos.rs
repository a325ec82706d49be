//! People who send and read while parts of a cluster die and come back, and a judge who saw only what they saw.
//!
//! Each person has an app with the SDK, which sends, is told and downloads, and a second device that reads the
//! inbox page by page without the SDK. What both saw is checked against P1 to P4 and P6.
//!
//! - `config`: how many, how long, how fast
//! - `people`: accounts, conversations, apps and observers
//! - `app`, `observer`: what one person's two devices do
//! - `faults`: what is done to the cluster, and `plan`, when
//! - `record`: what was seen, and what is wrong with it
//! - `report`: what is told of it

mod app;
mod config;
mod faults;
mod observer;
mod people;
mod plan;
mod record;
mod report;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Cluster, cluster::ClusterError};
use app::App;
pub use config::ChaosConfig;
use faults::Faults;
use observer::Observer;
use people::People;
pub use plan::Fault;
use record::Record;
pub use report::{Progress, Report};

/// Why a run could not be carried out. Broken promises are no errors: they are in the [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A part of the cluster did not come back.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A person could not be made.
    #[error("before the first fault, {what}: {why}")]
    Preparation {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        why: String,
    },
}

/// Lets people send for the configured time while parts of `cluster` fail, waits until everything that was sent
/// has arrived or is overdue, and says what is wrong. `progress` is called now and then.
///
/// # Errors
///
/// [`ChaosError`] when the run could not be carried out.
pub async fn run(
    cluster: Arc<Cluster>,
    config: ChaosConfig,
    progress: impl Fn(&Progress),
) -> Result<Report, ChaosError> {
    let began = Instant::now();
    let record = Arc::new(Record::default());
    let people = People::gather(&cluster, &config, &record).await?;
    let (sending, reading) = (CancellationToken::new(), CancellationToken::new());
    let mut senders = JoinSet::new();
    let mut readers = JoinSet::new();
    for app in &people.apps {
        senders.spawn(Arc::clone(app).send(config.pace(), sending.clone()));
        readers.spawn(Arc::clone(app).hear(reading.clone()));
    }
    for observer in &people.observers {
        readers.spawn(Arc::clone(observer).watch(reading.clone()));
    }
    let mut faults = Faults::start(Arc::clone(&cluster), &config);
    let ends_at = Instant::now() + config.duration;
    while Instant::now() < ends_at {
        sleep(PROGRESS_EVERY).await;
        progress(&record.progress(began.elapsed(), faults.counts()));
    }
    faults.stop().await?;
    sending.cancel();
    let deadline = Instant::now() + config.settle_time;
    while senders.join_next().await.is_some() {}
    settle(&people, &record, deadline, || {
        progress(&record.progress(began.elapsed(), faults.counts()));
    })
    .await;
    let settled_in = config.settle_time - deadline.saturating_duration_since(Instant::now());
    reading.cancel();
    while readers.join_next().await.is_some() {}
    people.close().await;
    Ok(record.report(began.elapsed(), settled_in, faults.counts(), &config))
}

/// Waits until every outbox is empty, every app heard everything and has every file, and every observer is at its
/// inbox's end; or until `deadline`, and then the judge says what is missing.
async fn settle(people: &People, record: &Record, deadline: Instant, tell: impl Fn()) {
    let all = async {
        for app in &people.apps {
            app.settle().await;
        }
        while record.missing() > 0 {
            sleep(Duration::from_millis(200)).await;
        }
        for app in &people.apps {
            app.finish_downloads().await;
        }
        for observer in &people.observers {
            observer.read_to_the_end().await;
        }
    };
    let telling = async {
        loop {
            sleep(PROGRESS_EVERY).await;
            tell();
        }
    };
    tokio::select! {
        _ = timeout(deadline.saturating_duration_since(Instant::now()), all) => {}
        () = telling => {}
    }
}

/// What was seen so far is told this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
