//! Transactions, and when they are tried again.
//!
//! A write that the server undid is tried again: it lost against another one, or the server went away before it
//! was told to commit. When the answer to COMMIT itself is lost, nobody knows, and only what may be done twice is
//! tried again.

use std::{
    marker::PhantomData,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::time::{Instant, sleep, timeout};

use super::Failover;
use crate::store::{StoreError, sql_error::is_broken_connection};

/// The type of a lifetime that ends before the work's own: work may borrow what outlives its transaction.
pub(super) type Within<'c, 'env> = PhantomData<&'c &'env ()>;

/// Connections, and the transactions that run over them.
#[derive(Clone, Debug)]
pub(super) struct Transactions {
    pub(super) pool: PgPool,
    pub(super) failover: Failover,
}

/// Whether work may be done a second time after it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A client-made id or a number says that it was done, or it says what is to be and not what is to change.
    Safe,
    /// It would happen twice.
    Never,
}

impl Transactions {
    /// Runs `work` over a snapshot, which is dropped without a trace.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`StoreError::Unavailable`] when the server says nothing any more.
    pub(super) async fn read<'env, T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: for<'c> FnOnce(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let reading = async { work(&mut *self.snapshot().await?, PhantomData).await };
        timeout(ATTEMPT_TIMEOUT, reading).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        for _ in 0..BROKEN_MAX {
            match self.pool.begin_with(BEGIN).await {
                // The pool did not know yet that the server had gone.
                Err(error) if is_broken_connection(&error) => {}
                begun => return Ok(begun?),
            }
        }
        Ok(self.pool.begin_with(BEGIN).await?)
    }

    /// Runs `work` in a transaction and commits it; again from the start when the server undid it, and, as far as
    /// `repeat` allows it, when nobody knows whether it was committed.
    ///
    /// # Errors
    ///
    /// Those of `work`, which undo what it did; [`StoreError::Undone`] when the server undid it again and again;
    /// [`StoreError::Unavailable`] when it is not known what became of it.
    pub(super) async fn write<'env, T, W>(&self, repeat: Repeat, work: W) -> Result<T, StoreError>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let deadline = Instant::now() + RETRY_TIME;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let may_repeat = match &failure {
                Failure::Refused(_) => false,
                Failure::Undone(_) => true,
                Failure::Unknown(_) => repeat == Repeat::Safe,
            };
            let error = failure.into_error();
            if !may_repeat || Instant::now() + pause > deadline {
                return Err(error);
            }
            tracing::debug!(%error, "a transaction begins again");
            sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// A server that says nothing any more is given up.
    async fn attempt<'env, T, W>(&self, work: &W) -> Result<T, Failure>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let committing = AtomicBool::new(false);
        let run = pin!(self.run(work, &committing));
        match timeout(ATTEMPT_TIMEOUT, run).await {
            Ok(result) => result,
            Err(_) if committing.load(Ordering::Relaxed) => Err(Failure::Unknown(silent())),
            Err(_) => Err(Failure::Undone(silent())),
        }
    }

    async fn run<'env, T, W>(&self, work: &W, committing: &AtomicBool) -> Result<T, Failure>
    where
        W: for<'c> Fn(
            &'c mut PgConnection,
            Within<'c, 'env>,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let mut transaction = self.pool.begin().await.map_err(|error| {
            let is_broken = is_broken_connection(&error);
            Failure::before_commit(error.into(), is_broken)
        })?;
        match work(&mut transaction, PhantomData).await {
            Ok(value) => {
                if self.failover == Failover::Synchronous {
                    sqlx::query(WAIT_FOR_STANDBY)
                        .execute(&mut *transaction)
                        .await
                        .map_err(|error| Failure::before_commit(error.into(), true))?;
                }
                committing.store(true, Ordering::Relaxed);
                transaction.commit().await.map_err(Failure::of_commit)?;
                Ok(value)
            }
            Err(error) => {
                let is_broken = transaction.rollback().await.is_err();
                Err(Failure::before_commit(error, is_broken))
            }
        }
    }
}

/// What became of an attempt.
#[derive(Debug)]
enum Failure {
    /// The work's own refusal, or a failure that another attempt meets too.
    Refused(StoreError),
    /// Nothing happened, and another attempt may do better.
    Undone(StoreError),
    /// Whether it was committed is not known.
    Unknown(StoreError),
}

impl Failure {
    /// Without a COMMIT, nothing has happened, whatever failed.
    fn before_commit(error: StoreError, is_broken: bool) -> Self {
        if is_broken || matches!(error, StoreError::Undone(_)) {
            Self::Undone(error)
        } else {
            Self::Refused(error)
        }
    }

    /// The server may say that it undid it instead. All else may come too late.
    fn of_commit(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|refusal| refusal.code());
        let is_undone = code.is_some_and(|code| code.starts_with("40") && code != OUTCOME_UNKNOWN);
        let error = StoreError::from(error);
        if is_undone { Self::Undone(error) } else { Self::Unknown(unknown(error)) }
    }

    fn into_error(self) -> StoreError {
        match self {
            Self::Refused(error) | Self::Undone(error) | Self::Unknown(error) => error,
        }
    }
}

/// An error that promises too much.
fn unknown(error: StoreError) -> StoreError {
    if let StoreError::Undone(text) = error { StoreError::Unavailable(text) } else { error }
}

fn silent() -> StoreError {
    StoreError::Unavailable(format!("the database was silent for {} s", ATTEMPT_TIMEOUT.as_secs()))
}

/// A statement timeout would end the wait for the standby and report success. And a transaction that only found
/// what an earlier attempt wrote must wait for the standby, too: a message in the log makes its commit wait.
const WAIT_FOR_STANDBY: &str = "SELECT set_config('statement_timeout', '0', true), \
                                pg_logical_emit_message(true, 'nudge', '')";
/// `statement_completion_unknown`.
const OUTCOME_UNKNOWN: &str = "40003";
/// An attempt begins within this time, or not at all.
const RETRY_TIME: Duration = Duration::from_secs(12);
/// An attempt ends within this time.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections that may turn out to be broken, one after the other.
const BROKEN_MAX: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(500);
