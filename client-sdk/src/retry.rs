//! Waiting before another attempt.

use std::{collections::HashMap, hash::Hash, time::Duration};

use nudge_proto::session::Backoff;
use tokio::time::Instant;

use crate::{Error, config::ClientConfig};

/// What did not work, and when each may be tried again.
#[derive(Debug)]
pub(crate) struct Waits<K> {
    shortest: Duration,
    longest: Duration,
    waiting: HashMap<K, Wait>,
}

#[derive(Debug)]
struct Wait {
    backoff: Backoff,
    until: Instant,
}

impl<K: Copy + Eq + Hash> Waits<K> {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Self { shortest: config.retry_min, longest: config.retry_max, waiting: HashMap::new() }
    }

    pub(crate) fn is_waiting(&self, key: K) -> bool {
        self.waiting.get(&key).is_some_and(|wait| wait.until > Instant::now())
    }

    /// The earliest time at which something may be tried again.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let now = Instant::now();
        self.waiting.values().map(|wait| wait.until).filter(|until| *until > now).min()
    }

    /// Sets when the next attempt may be; returns the wait until then.
    pub(crate) fn put_failed(&mut self, key: K, error: &Error) -> Duration {
        let wait = self.waiting.entry(key).or_insert_with(|| Wait {
            backoff: Backoff::new(self.shortest, self.longest, fastrand::u64(..)),
            until: Instant::now(),
        });
        let pause = wait.backoff.next_wait().max(retry_after(error));
        wait.until = Instant::now() + pause;
        pause
    }

    pub(crate) fn forget(&mut self, key: K) {
        self.waiting.remove(&key);
    }

    /// Lets everything be tried at once: the network is back.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// How long the server wants not to be asked.
fn retry_after(error: &Error) -> Duration {
    if let Error::Refused { retry_after: Some(wait), .. } = error { *wait } else { Duration::ZERO }
}

/// Never, without a deadline.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
