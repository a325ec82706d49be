//! Whether this node can serve, and what it lacks.
//!
//! Whoever asks gets an answer that is at most a moment old: probes, however many, ask each dependency
//! once in that time, and no answer waits for one that is silent.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::limits::{HEALTH_EVERY, HEALTH_TIMEOUT};

/// What is known of this node's health.
#[derive(Debug, Default)]
pub struct Health {
    probes: Vec<Probe>,
    draining: AtomicBool,
    /// The newest answers, with when they were asked for.
    newest: Mutex<Option<(Instant, Vec<Dependency>)>>,
}

/// A question to a dependency: what there is to say when all is well, or what is wrong.
pub type Question = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Whether a node serves without a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot.
    Required,
    /// It can, worse.
    Helpful,
}

struct Probe {
    name: &'static str,
    need: Need,
    question: Question,
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Probe").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a node, or one of its dependencies, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ready,
    /// It serves, worse than it should.
    Degraded,
    /// It does not serve.
    Unready,
}

/// What one dependency is like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// Which.
    pub name: &'static str,
    /// How it is; [`Status::Unready`] only for what the node cannot do without.
    pub status: Status,
    /// What is wrong, or what there is to say.
    pub detail: String,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of all.
    pub status: Status,
    /// Whether the node is about to stop.
    pub draining: bool,
    /// One by one.
    pub dependencies: Vec<Dependency>,
}

impl Health {
    /// Adds a dependency.
    #[must_use]
    pub fn with(mut self, name: &'static str, need: Need, question: Question) -> Self {
        self.probes.push(Probe { name, need, question });
        self
    }

    /// The node is about to stop: from here on it is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// How the node is.
    pub async fn report(&self) -> Report {
        let dependencies = self.dependencies().await;
        let draining = self.draining.load(Ordering::Acquire);
        let worst = dependencies.iter().map(|dependency| dependency.status).max();
        let status = if draining { Status::Unready } else { worst.unwrap_or(Status::Ready) };
        Report { status, draining, dependencies }
    }

    /// Whoever comes while the questions are out waits for the same answers.
    async fn dependencies(&self) -> Vec<Dependency> {
        let mut newest = self.newest.lock().await;
        if let Some((asked_at, answers)) = newest.as_ref()
            && asked_at.elapsed() < HEALTH_EVERY
        {
            return answers.clone();
        }
        let asked_at = Instant::now();
        let answers = join_all(self.probes.iter().map(Probe::ask)).await;
        *newest = Some((asked_at, answers.clone()));
        answers
    }
}

impl Probe {
    async fn ask(&self) -> Dependency {
        let silent = || Err(format!("no answer within {} s", HEALTH_TIMEOUT.as_secs()));
        let answer = timeout(HEALTH_TIMEOUT, (self.question)()).await.unwrap_or_else(|_| silent());
        let (status, detail) = match (answer, self.need) {
            (Ok(detail), _) => (Status::Ready, detail),
            (Err(wrong), Need::Helpful) => (Status::Degraded, wrong),
            (Err(wrong), Need::Required) => (Status::Unready, wrong),
        };
        Dependency { name: self.name, status, detail }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use futures::FutureExt;

    use super::*;

    fn answers(answer: Result<&'static str, &'static str>) -> Question {
        Arc::new(move || {
            let answer = answer.map(str::to_owned).map_err(str::to_owned);
            async move { answer }.boxed()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_worst_dependency_decides_and_only_a_required_one_stops_the_node() {
        let well = Health::default().with("store", Need::Required, answers(Ok("")));
        assert_eq!(well.report().await.status, Status::Ready);
        let worse = well.with("bus", Need::Helpful, answers(Err("it is down")));
        let report = Health { newest: Mutex::default(), ..worse }.report().await;
        assert_eq!(report.status, Status::Degraded);
        assert_eq!(report.dependencies[1].detail, "it is down");
        let worst = Health::default().with("store", Need::Required, answers(Err("gone")));
        assert_eq!(worst.report().await.status, Status::Unready);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_dependency_is_not_waited_for() {
        let silent: Question = Arc::new(|| std::future::pending().boxed());
        let health = Health::default().with("store", Need::Required, silent);
        let begun = Instant::now();
        let report = health.report().await;
        assert_eq!(begun.elapsed(), HEALTH_TIMEOUT);
        assert_eq!(report.dependencies[0].detail, "no answer within 2 s");
    }

    #[tokio::test(start_paused = true)]
    async fn many_probes_ask_a_dependency_once_in_a_moment() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let slow: Question = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(String::new())
            }
            .boxed()
        });
        let health = Health::default().with("store", Need::Required, slow);
        join_all((0..1000).map(|_| health.report())).await;
        health.report().await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(HEALTH_EVERY).await;
        health.report().await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_draining_node_is_not_ready_whatever_its_dependencies_say() {
        let health = Health::default().with("store", Need::Required, answers(Ok("")));
        health.drain();
        let report = health.report().await;
        assert_eq!((report.status, report.draining), (Status::Unready, true));
    }
}
