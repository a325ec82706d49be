//! What waits for the writer, each with the way back to who asked.

use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::super::acks::AckVerdicts;
use crate::store::{Ack, Outcome, Send, Sent, StoreError, UnixMs};

/// One write.
pub(super) enum Job {
    /// Decided and written together with the batch's other sends.
    Send(Box<Send>, Answer<Outcome<Sent>>),
    /// Decided and written together with the batch's other acks.
    Acks(Vec<Ack>, UnixMs, Answer<AckVerdicts>),
    /// Runs by itself.
    Work(Box<dyn Work>),
}

/// A write that runs by itself.
pub(super) trait Work: std::marker::Send {
    /// Does it, once; an error is kept for the answer and means that its changes must go.
    fn run<'c>(&'c mut self, db: &'c mut SqliteConnection)
    -> BoxFuture<'c, Result<(), StoreError>>;

    /// Tells who asked, once the commit's fate is known.
    fn answer(self: Box<Self>, committed: &Result<(), StoreError>);
}

/// The result of a write, held back until the commit.
pub(super) struct Answer<T> {
    pub(super) result: Option<Result<T, StoreError>>,
    to: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> Answer<T> {
    /// A caller that went away does not want the answer.
    pub(super) fn give(self, committed: &Result<(), StoreError>) {
        let result = match committed {
            Ok(()) => self.result.unwrap_or_else(|| Err(untouched())),
            Err(error) => Err(error.clone()),
        };
        let _ = self.to.send(result);
    }
}

fn untouched() -> StoreError {
    StoreError::Unavailable("the write was passed over: try again".to_owned())
}

/// An answer that is still open.
pub(super) const fn answer_to<T>(to: oneshot::Sender<Result<T, StoreError>>) -> Answer<T> {
    Answer { result: None, to }
}

/// Makes a job of a closure.
pub(super) fn work<T, W>(run: W, to: oneshot::Sender<Result<T, StoreError>>) -> Box<dyn Work>
where
    T: std::marker::Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + std::marker::Send
        + 'static,
{
    Box::new(Closure { run: Some(run), answer: answer_to(to) })
}

struct Closure<T, W> {
    run: Option<W>,
    answer: Answer<T>,
}

impl<T, W> Work for Closure<T, W>
where
    T: std::marker::Send,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + std::marker::Send,
{
    fn run<'c>(
        &'c mut self,
        db: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(run) = self.run.take() else {
                return Ok(());
            };
            let result = run(db).await;
            let verdict = result.as_ref().map(|_| ()).map_err(StoreError::clone);
            self.answer.result = Some(result);
            verdict
        })
    }

    fn answer(self: Box<Self>, committed: &Result<(), StoreError>) {
        self.answer.give(committed);
    }
}
