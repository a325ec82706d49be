//! Whether the store answers the hub.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nudge_proto::watch::WatchError;
use tokio::time::{Instant, timeout};

use super::WatchHub;
use crate::{
    limits::{WATCH_DARK_MIN, WATCH_LOOK_TIMEOUT},
    store::StoreError,
};

/// Whether the store answers, and since when it does not.
///
/// A hub that does not see knows no head, and nobody who relies on it would learn that he is behind: for a moment
/// that is borne, and then its streams end, so that signal goes to a node that sees, or says that there is no watch.
#[derive(Debug)]
pub(super) struct Sight {
    /// Not to see for this time is to be blind.
    borne: Duration,
    dark_since: Mutex<Option<Instant>>,
}

impl Sight {
    /// What was looked up early in one sweep and late in the next is four fifths of a heartbeat old.
    pub(super) fn new(heartbeat: Duration) -> Self {
        Self { borne: (heartbeat / 5).max(WATCH_DARK_MIN), dark_since: Mutex::default() }
    }

    pub(super) fn is_blind(&self) -> bool {
        self.dark_since().is_some_and(|since| since.elapsed() >= self.borne)
    }

    /// The store answered; whether it had not before.
    fn is_new_light(&self) -> bool {
        self.dark_since().take().is_some()
    }

    /// It did not answer what it was asked then; whether it had before.
    fn is_new_dark(&self, since: Instant) -> bool {
        let mut dark_since = self.dark_since();
        let is_new = dark_since.is_none();
        dark_since.get_or_insert(since);
        is_new
    }

    /// How long an answer is waited for: no longer than it takes to be blind.
    fn patience(&self) -> Duration {
        self.borne.min(WATCH_LOOK_TIMEOUT)
    }

    fn dark_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.dark_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchHub {
    /// The store's answer, which is not waited for without end. What it does not answer for long ends the streams.
    pub(super) async fn look<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (asked_at, patience) = (Instant::now(), self.sight.patience());
        let silent = || StoreError::Unavailable(format!("no answer within {patience:?}"));
        let answer = timeout(patience, question).await.unwrap_or_else(|_| Err(silent()));
        let has_changed = match &answer {
            Ok(_) => self.sight.is_new_light(),
            Err(_) => self.sight.is_new_dark(asked_at),
        };
        if has_changed {
            // In the dark, to find out for how long; in the light, because what moved may not have been heard.
            self.sweep_now.notify_one();
        }
        if self.sight.is_blind() {
            self.end_streams(&blind());
        }
        answer
    }

    /// Whether the store answers; one who was blind looks again.
    pub(super) async fn sees(&self) -> Result<(), WatchError> {
        if self.sight.is_blind() {
            self.look(self.store.device_states(&[])).await.map_err(|_| blind())?;
        }
        Ok(())
    }
}

pub(super) fn blind() -> WatchError {
    WatchError::Unavailable("this fetch node cannot read its store".to_owned())
}
