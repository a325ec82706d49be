//! The one writer: group commit.
//!
//! Whatever gathered while the last commit ran is the next batch: one transaction, one commit, then
//! the answers. Sends and acks are decided and written as sets; everything else runs one by one, each
//! under a savepoint.

mod batch;
mod job;

use std::{
    fs::File,
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::acks::AckVerdicts;
use crate::{
    store::{Ack, Outcome, Send, Sent, StoreError, UnixMs},
    telemetry,
};
use batch::Batch;
use job::{Job, answer_to, work};

/// Hands work to the writing task.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Begins writing over `connection`; ends when the last handle is gone, and lets `file_lock` go
    /// then. `connect` makes another connection when one broke.
    pub(super) fn start(
        connection: SqliteConnection,
        connect: SqliteConnectOptions,
        file_lock: File,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let task =
            WriterTask { connection: Some(connection), connect, jobs, batch: Batch::default() };
        let task = tokio::spawn(async move {
            task.run().await;
            drop(file_lock);
        });
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    /// Commits what was queued, takes no more, and closes the connection.
    pub(super) async fn close(&self) {
        drop(lock(&self.queue).take());
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // A writer that is gone has nothing left to close.
            let _ = task.await;
        }
    }

    /// Runs `work` in the next batch, and answers once the batch is on disk.
    ///
    /// A refusal by `work` undoes only what `work` did. When the commit fails, the answer is
    /// [`StoreError::Unavailable`], and whether it happened is not known.
    pub(super) async fn write<T, W>(&self, run: W) -> Result<T, StoreError>
    where
        T: std::marker::Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + std::marker::Send
            + 'static,
    {
        self.queue(|answer| Job::Work(work(run, answer))).await
    }

    /// Commits a message with the others of the next batch.
    pub(super) async fn send(&self, send: Send) -> Result<Outcome<Sent>, StoreError> {
        self.queue(|answer| Job::Send(Box::new(send), answer_to(answer))).await
    }

    /// Takes acks in with the others of the next batch.
    pub(super) async fn ack(&self, acks: Vec<Ack>, now: UnixMs) -> Result<AckVerdicts, StoreError> {
        self.queue(|answer| Job::Acks(acks, now, answer_to(answer))).await
    }

    async fn queue<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = lock(&self.queue).clone().ok_or_else(closed)?;
        queue.send(job(answer)).await.map_err(|_| closed())?;
        drop(queue);
        answered.await.map_err(|_| closed())?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The writing task.
struct WriterTask {
    /// `None` after a failure, until the next batch.
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    jobs: mpsc::Receiver<Job>,
    /// Keeps its room, and sends that were too many for one commit.
    batch: Batch,
}

impl WriterTask {
    async fn run(mut self) {
        while self.batch.gather(&mut self.jobs).await {
            let begun = Instant::now();
            let committed = self.commit().await;
            telemetry::committed(self.batch.len(), begun.elapsed(), committed.is_ok());
            if let Err(error) = &committed {
                tracing::error!(%error, writes = self.batch.len(), "a commit failed");
            }
            self.batch.answer(&committed);
            if committed.is_err() {
                self.give_up_connection().await;
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
        self.give_up_connection().await;
    }

    /// Whatever happens in a batch, a panic too, ends with an answer and leaves a writer behind.
    async fn commit(&mut self) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.connect.connect().await?),
        };
        AssertUnwindSafe(self.batch.commit(connection))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a write panicked".to_owned())))
    }

    /// Closing undoes a transaction that is open.
    async fn give_up_connection(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

/// Writes that may wait for their turn; more wait at the door.
const QUEUE_MAX: usize = 1024;
/// A disk that failed once is not asked again at once.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
