//! Works off what the state lists: some jobs at a time, each key's one after another.
//!
//! The state is the truth. Whoever changes it rings the bell; what is no longer wanted is called back,
//! what did not work is tried again after a wait.

use std::{collections::HashMap, fmt::Debug, hash::Hash, sync::Arc};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    core::Core,
    error::Result,
    retry::{Waits, sleep_until},
};

/// A kind of work.
pub(crate) trait Work: Send + Sync + 'static {
    /// Jobs of the same key follow one another.
    type Key: Copy + Debug + Eq + Hash + Send + Sync;
    /// What is to be done.
    type Job: Clone + Send + Sync;

    /// Jobs at a time.
    const AT_ONCE: usize;

    /// Rung when there may be something to do, or something less.
    fn bell(core: &Core) -> &Notify;

    /// The next job of each key, in the order in which they are to be begun.
    fn due(core: &Core) -> impl Future<Output = Result<Vec<(Self::Key, Self::Job)>>> + Send;

    /// Whether a job that was begun is still to be done.
    fn is_wanted(core: &Core, job: &Self::Job) -> impl Future<Output = Result<bool>> + Send;

    /// One attempt; an error means that another has to follow. May be dropped at any time.
    fn attempt(core: Arc<Core>, job: Self::Job) -> BoxFuture<'static, Result<()>>;
}

/// Works until the client is closed.
pub(crate) async fn run<W: Work>(core: Arc<Core>) {
    let lanes = Lanes::<W> {
        running: HashMap::new(),
        attempts: FuturesUnordered::new(),
        waits: Waits::new(&core.config),
        core: Arc::clone(&core),
    };
    tokio::select! {
        () = lanes.work() => {}
        () = core.closed.cancelled() => {}
    }
}

struct Lanes<W: Work> {
    core: Arc<Core>,
    /// What is being done, and how to call it back.
    running: HashMap<W::Key, (W::Job, CancellationToken)>,
    attempts: FuturesUnordered<BoxFuture<'static, (W::Key, Result<()>)>>,
    waits: Waits<W::Key>,
}

impl<W: Work> Lanes<W> {
    async fn work(mut self) {
        let core = Arc::clone(&self.core);
        let mut retry_now = core.retry_now();
        loop {
            // What was begun goes on, although the state cannot be read.
            let read_again = match self.follow_state().await {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(%error, "what is to be done cannot be read");
                    Some(Instant::now() + core.config.retry_max)
                }
            };
            tokio::select! {
                () = W::bell(&core).notified() => {}
                Some((key, result)) = self.attempts.next() => self.handle_result(key, result),
                Ok(()) = retry_now.changed() => self.waits.clear(),
                () = sleep_until(self.waits.next_at()) => {}
                () = sleep_until(read_again) => {}
            }
        }
    }

    async fn follow_state(&mut self) -> Result<()> {
        for (job, stop) in self.running.values() {
            if !W::is_wanted(&self.core, job).await? {
                stop.cancel();
            }
        }
        for (key, job) in W::due(&self.core).await? {
            if self.running.len() >= W::AT_ONCE {
                return Ok(());
            }
            if !self.running.contains_key(&key) && !self.waits.is_waiting(key) {
                self.begin(key, job);
            }
        }
        Ok(())
    }

    fn begin(&mut self, key: W::Key, job: W::Job) {
        let stop = CancellationToken::new();
        self.running.insert(key, (job.clone(), stop.clone()));
        let attempt = W::attempt(Arc::clone(&self.core), job);
        self.attempts.push(Box::pin(async move {
            let result = stop.run_until_cancelled(attempt).await;
            (key, result.unwrap_or(Ok(())))
        }));
    }

    fn handle_result(&mut self, key: W::Key, result: Result<()>) {
        self.running.remove(&key);
        match result {
            Ok(()) => self.waits.forget(key),
            Err(error) => {
                let pause = self.waits.put_failed(key, &error);
                tracing::debug!(%error, ?pause, ?key, "it did not work yet");
            }
        }
    }
}
