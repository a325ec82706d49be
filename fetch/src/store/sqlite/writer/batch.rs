//! What shares one commit.

use std::collections::VecDeque;

use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::{
    super::{
        acks::{self, AckVerdicts},
        send,
    },
    job::{Answer, Job, Work},
};
use crate::store::{Ack, Outcome, Send, Sent, StoreError, UnixMs};

/// Writes of one commit, by their kind, and sends that have to wait for the next.
#[derive(Default)]
pub(super) struct Batch {
    sends: Vec<(Box<Send>, Answer<Outcome<Sent>>)>,
    acks: Vec<(Vec<Ack>, UnixMs, Answer<AckVerdicts>)>,
    works: Vec<Box<dyn Work>>,
    left_over: VecDeque<(Box<Send>, Answer<Outcome<Sent>>)>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.sends.len() + self.acks.len() + self.works.len()
    }

    /// Waits for a first job and takes what else is there; false when no more will come.
    pub(super) async fn gather(&mut self, jobs: &mut mpsc::Receiver<Job>) -> bool {
        self.sends.extend(self.left_over.drain(..));
        if self.sends.is_empty() {
            match jobs.recv().await {
                Some(job) => self.add(job),
                None => return false,
            }
        }
        let mut bytes = self.sends.iter().map(|(send, _)| send.body.len()).sum::<usize>();
        while self.len() < JOBS_MAX
            && bytes < BODY_BYTES_MAX
            && let Ok(job) = jobs.try_recv()
        {
            bytes += if let Job::Send(send, _) = &job { send.body.len() } else { 0 };
            self.add(job);
        }
        true
    }

    fn add(&mut self, job: Job) {
        match job {
            Job::Send(send, answer) => self.sends.push((send, answer)),
            Job::Acks(acks, now, answer) => self.acks.push((acks, now, answer)),
            Job::Work(work) => self.works.push(work),
        }
    }

    /// Carries everything out in one transaction. An error is of the whole: nothing was done, or
    /// nobody knows.
    pub(super) async fn commit(&mut self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        execute(db, "BEGIN IMMEDIATE").await?;
        if !self.sends.is_empty() {
            self.run_sends(db).await?;
        }
        if !self.acks.is_empty() {
            self.run_acks(db).await?;
        }
        for work in &mut self.works {
            execute(db, "SAVEPOINT item").await?;
            let verdict = work.run(db).await;
            end_item(db, &verdict).await?;
        }
        execute(db, "COMMIT").await
    }

    /// Tells everybody, and keeps what has to wait.
    pub(super) fn answer(&mut self, committed: &Result<(), StoreError>) {
        for (_, answer) in self.sends.drain(..) {
            answer.give(committed);
        }
        for (.., answer) in self.acks.drain(..) {
            answer.give(committed);
        }
        for work in self.works.drain(..) {
            work.answer(committed);
        }
    }

    /// All together; when the set fails, each by itself, so that only the bad one does.
    async fn run_sends(&mut self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let sends: Vec<&Send> = self.sends.iter().map(|(send, _)| &**send).collect();
        execute(db, "SAVEPOINT item").await?;
        let verdict = send::commit(db, &sends).await;
        end_item(db, &verdict).await?;
        if let Ok(outcomes) = verdict {
            self.left_over.extend(self.sends.drain(outcomes.len()..));
            for ((_, answer), outcome) in self.sends.iter_mut().zip(outcomes) {
                answer.result = Some(outcome);
            }
            return Ok(());
        }
        for (send, answer) in &mut self.sends {
            execute(db, "SAVEPOINT item").await?;
            let verdict = send::commit(db, &[send]).await;
            end_item(db, &verdict).await?;
            answer.result = match verdict {
                Ok(mut outcomes) => outcomes.pop(),
                Err(error) => Some(Err(error)),
            };
        }
        Ok(())
    }

    async fn run_acks(&mut self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let all: Vec<Ack> = self.acks.iter().flat_map(|(acks, ..)| acks.iter().copied()).collect();
        let now = self.acks.iter().map(|(_, now, _)| *now).max().unwrap_or_default();
        execute(db, "SAVEPOINT item").await?;
        let verdict = acks::apply(db, &all, now).await;
        end_item(db, &verdict).await?;
        let mut verdicts = verdict.map(Vec::into_iter);
        for (acks, _, answer) in &mut self.acks {
            answer.result = Some(match &mut verdicts {
                Ok(verdicts) => Ok(verdicts.by_ref().take(acks.len()).collect()),
                Err(error) => Err(error.clone()),
            });
        }
        Ok(())
    }
}

/// Keeps or undoes what the item did. When it cannot be undone, the item's error broke the whole
/// transaction, and is the batch's.
async fn end_item<T>(
    db: &mut SqliteConnection,
    verdict: &Result<T, StoreError>,
) -> Result<(), StoreError> {
    if let Err(error) = verdict
        && execute(db, "ROLLBACK TO item").await.is_err()
    {
        return Err(error.clone());
    }
    execute(db, "RELEASE item").await
}

async fn execute(db: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(db).await?;
    Ok(())
}

/// Writes that share one commit.
const JOBS_MAX: usize = 256;
/// Bodies that share one commit, in bytes, before the last.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
