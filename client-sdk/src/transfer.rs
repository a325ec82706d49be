//! What uploads and downloads have in common.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    Error,
    error::Result,
    events::{Event, Hub, Progress},
    limits::TRANSFER_IDLE_TIMEOUT,
};

/// Counts a transfer's bytes, and tells the app from time to time.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    hub: Hub,
    done: Arc<AtomicU64>,
    start: Progress,
}

impl Meter {
    /// `start` says which transfer it is, and where it stands.
    pub(crate) fn new(hub: Hub, start: Progress) -> Self {
        Self { hub, done: Arc::new(AtomicU64::new(start.bytes_done)), start }
    }

    /// Stands at `bytes` now.
    pub(crate) fn set(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { bytes_done: self.done.load(Ordering::Relaxed), ..self.start.clone() }
    }

    /// Tells the app where it stands.
    pub(crate) fn tell(&self) {
        self.hub.tell(Event::Progress(self.progress()));
    }

    /// Runs `transfer`, tells the app how it gets on, and breaks it off when it no longer does.
    pub(crate) async fn watch<T>(&self, transfer: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = transfer => outcome,
            () = self.wait_until_idle() => Err(Error::Offline(format!(
                "the transfer did not move for {} s",
                TRANSFER_IDLE_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn wait_until_idle(&self) {
        let mut told = self.done.load(Ordering::Relaxed);
        let mut moved_at = Instant::now();
        while moved_at.elapsed() < TRANSFER_IDLE_TIMEOUT {
            sleep(PROGRESS_INTERVAL).await;
            let done = self.done.load(Ordering::Relaxed);
            if done != told {
                told = done;
                moved_at = Instant::now();
                self.tell();
            }
        }
    }
}

/// How often the app is told of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);
