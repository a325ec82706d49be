//! Group commit: lanes, each with one commit at a time.
//!
//! Whatever gathered in a lane while its last commit ran is its next batch: one transaction, then the answers, a
//! verdict per item. Who belongs to the same thing shares a lane, so that a node's own writers seldom wait for
//! each other's locks; other nodes' are waited for in the database.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{store::StoreError, telemetry};

/// What a lane does with what gathered in it.
pub(super) trait Work: std::fmt::Debug + Send + Sync + 'static {
    /// What is written.
    type Item: Send + Sync + 'static;
    /// What became of it.
    type Answer: Send + 'static;

    /// How much room an item takes in a batch.
    fn weight(&self, item: &Self::Item) -> usize;

    /// Commits as many of the first items as one transaction takes, at least one; a verdict for each of them. An
    /// error is of them all.
    fn commit<'a>(
        &'a self,
        items: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<Verdicts<Self::Answer>, StoreError>>;
}

/// A verdict for each of a batch's first items.
pub(super) type Verdicts<A> = Vec<Result<A, StoreError>>;

/// Lanes that do the same work.
#[derive(Debug)]
pub(super) struct Lanes<W: Work> {
    lanes: Vec<Lane<W>>,
}

impl<W: Work + Clone> Lanes<W> {
    /// Begins `count` lanes; each ends when the last handle is gone.
    pub(super) fn start(count: u32, work: &W) -> Self {
        Self { lanes: (0..count.max(1)).map(|_| Lane::start(work.clone())).collect() }
    }

    /// Commits the item with the next batch of the lane that `key` belongs to.
    pub(super) async fn run(&self, key: impl Hash, item: W::Item) -> Result<W::Answer, StoreError> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let lane = hasher.finish() as usize % self.lanes.len();
        self.lanes[lane].run(item).await
    }

    /// Commits what was queued, and takes no more.
    pub(super) async fn close(&self) {
        futures::future::join_all(self.lanes.iter().map(Lane::close)).await;
    }
}

/// Hands items to a committing task.
#[derive(Debug)]
struct Lane<W: Work> {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job<W>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl<W: Work> Lane<W> {
    fn start(work: W) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let task =
            tokio::spawn(LaneTask { work, jobs, items: Vec::new(), answers: Vec::new() }.run());
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    async fn run(&self, item: W::Item) -> Result<W::Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = lock(&self.queue).clone().ok_or_else(closed)?;
        queue.send(Job { item, answer }).await.map_err(|_| closed())?;
        drop(queue);
        answered.await.map_err(|_| closed())?
    }

    async fn close(&self) {
        drop(lock(&self.queue).take());
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // A lane that is gone has nothing left to commit.
            let _ = task.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// An item, and the way back to who asked.
struct Job<W: Work> {
    item: W::Item,
    answer: Answer<W>,
}

type Answer<W> = oneshot::Sender<Result<<W as Work>::Answer, StoreError>>;

/// A committing task, with the batch that comes next.
struct LaneTask<W: Work> {
    work: W,
    jobs: mpsc::Receiver<Job<W>>,
    items: Vec<W::Item>,
    /// One per item.
    answers: Vec<Answer<W>>,
}

impl<W: Work> LaneTask<W> {
    async fn run(mut self) {
        while self.gather().await {
            let begun = Instant::now();
            let verdicts = self.commit().await;
            telemetry::committed(self.items.len(), begun.elapsed(), verdicts.is_ok());
            self.answer(verdicts);
        }
    }

    /// Waits for a first item, unless some had to wait, and takes what else is there; false when no more will come.
    async fn gather(&mut self) -> bool {
        if self.items.is_empty() {
            match self.jobs.recv().await {
                Some(job) => self.add(job),
                None => return false,
            }
        }
        let mut weight = self.items.iter().map(|item| self.work.weight(item)).sum::<usize>();
        while self.items.len() < ITEMS_MAX
            && weight < WEIGHT_MAX
            && let Ok(job) = self.jobs.try_recv()
        {
            weight += self.work.weight(&job.item);
            self.add(job);
        }
        true
    }

    fn add(&mut self, job: Job<W>) {
        self.items.push(job.item);
        self.answers.push(job.answer);
    }

    /// All together; when that fails for what one of them is, each by itself, so that only the bad one does.
    async fn commit(&self) -> Result<Verdicts<W::Answer>, StoreError> {
        match self.commit_some(&self.items).await {
            Err(StoreError::Damaged(_)) if self.items.len() > 1 => {}
            verdicts => return verdicts,
        }
        let mut verdicts = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let mut verdict = self.commit_some(std::slice::from_ref(item)).await;
            verdicts.push(match &mut verdict {
                Ok(verdict) => verdict.pop().unwrap_or_else(|| Err(passed_over())),
                Err(error) => Err(error.clone()),
            });
        }
        Ok(verdicts)
    }

    /// Whatever happens in a batch, a panic too, ends with an answer and leaves a lane behind.
    async fn commit_some(&self, items: &[W::Item]) -> Result<Verdicts<W::Answer>, StoreError> {
        let committed = std::panic::AssertUnwindSafe(self.work.commit(items)).catch_unwind().await;
        committed.unwrap_or_else(|_| Err(StoreError::Unavailable("a write panicked".to_owned())))
    }

    /// Tells everybody whose fate is known; the others are first in the next batch.
    fn answer(&mut self, verdicts: Result<Verdicts<W::Answer>, StoreError>) {
        match verdicts {
            Ok(verdicts) => {
                let judged = verdicts.len().clamp(1, self.items.len());
                self.items.drain(..judged);
                let mut verdicts = verdicts.into_iter();
                for answer in self.answers.drain(..judged) {
                    // A caller that went away does not want the answer.
                    let _ = answer.send(verdicts.next().unwrap_or_else(|| Err(passed_over())));
                }
            }
            Err(error) => {
                tracing::error!(%error, writes = self.items.len(), "a commit failed");
                self.items.clear();
                for answer in self.answers.drain(..) {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn passed_over() -> StoreError {
    StoreError::Undone("the write was passed over".to_owned())
}

/// Items that may wait for their turn in a lane; more wait at the door.
const QUEUE_MAX: usize = 1024;
/// Items that share one commit.
const ITEMS_MAX: usize = 256;
/// What the items of one commit may weigh together, before the last.
const WEIGHT_MAX: usize = 4 * 1024 * 1024;
