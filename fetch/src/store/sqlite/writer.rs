//! The one writer: group commit.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::store::StoreError;

/// Hands work to the writing task.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// One write: runs inside the shared transaction, under a savepoint of its own.
type Job = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Done> + Send>;

/// What a job left behind: whether to keep its changes, and how to answer once the commit is known.
struct Done {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl Writer {
    /// Begins writing over `connection`; ends when the last handle is gone.
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let task = tokio::spawn(run(connection, jobs));
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    /// Commits what was queued, takes no more, and closes the connection.
    pub(super) async fn close(&self) {
        drop(lock(&self.queue).take());
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // A writer that panicked has nothing left to close.
            let _ = task.await;
        }
    }

    /// Runs `work` in the next batch, and answers once the batch is on disk.
    ///
    /// A refusal by `work` undoes only what `work` did. When the commit fails, the answer is
    /// [`StoreError::Unavailable`], and whether it happened is not known.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                let result = work(connection).await;
                Done {
                    keep: result.is_ok(),
                    // A caller that went away does not want the answer.
                    answer: Box::new(move |commit| {
                        let _ = answer.send(commit.and(result));
                    }),
                }
            })
        });
        let queue = lock(&self.queue).clone().ok_or_else(closed)?;
        queue.send(job).await.map_err(|_| closed())?;
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

async fn run(mut connection: SqliteConnection, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while jobs.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut done = Vec::with_capacity(batch.len());
        let committed = commit(&mut connection, &mut batch, &mut done).await;
        if let Err(error) = &committed {
            tracing::error!(%error, writes = done.len() + batch.len(), "a commit failed");
            // Leaves no half-open transaction behind; fails when there is none.
            let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
        // What did not get its turn is answered by the closed channel of its dropped job.
        batch.clear();
        for done in done {
            (done.answer)(committed.clone());
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Job>,
    done: &mut Vec<Done>,
) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for job in batch.drain(..) {
        sqlx::query("SAVEPOINT item").execute(&mut *connection).await?;
        let item = job(connection).await;
        if !item.keep {
            sqlx::query("ROLLBACK TO item").execute(&mut *connection).await?;
        }
        done.push(item);
        sqlx::query("RELEASE item").execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

/// Writes that may wait for their turn; more wait at the door.
const QUEUE_MAX: usize = 1024;
/// Writes that share one commit.
const BATCH_MAX: usize = 256;
/// A disk that failed once is not asked again at once.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
