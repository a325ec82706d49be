//! The process that holds connections: a job on standard input, then a question per line.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::connection::Target;
use crate::failure::Failure;

/// Hellos under way at a time.
const JOINING_MAX: usize = 128;

/// What the process is to do.
#[derive(Deserialize, Serialize)]
pub(super) struct Job {
    pub(super) signal: SocketAddr,
    pub(super) source: SocketAddr,
    pub(super) certificate: Option<PathBuf>,
    pub(super) tickets: Vec<String>,
}

/// What the process says: once when it has tried to open everything, and once per line that it is asked.
#[derive(Deserialize, Serialize)]
pub(super) struct Holding {
    /// Connections that stand.
    pub(super) open: usize,
    /// Why one does not, if any does not.
    pub(super) failure: Option<String>,
}

/// Opens the connections of the job, and holds them until standard input ends.
pub(crate) async fn run() -> Result<(), Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(job) = lines.next_line().await? else { return Ok(()) };
    let job: Job = serde_json::from_str(&job)?;
    let tls = match &job.certificate {
        None => None,
        Some(path) => Some(Target::connector(&std::fs::read(path)?)?),
    };
    let target = Target { signal: job.signal, source: job.source, tls };
    let count = job.tickets.len();
    let held = Arc::new(Held::default());
    stream::iter(job.tickets.into_iter().enumerate())
        .for_each_concurrent(JOINING_MAX, |(number, ticket)| {
            Arc::clone(&held).hold(&target, ticket, number as f64 / count as f64)
        })
        .await;
    loop {
        println!("{}", serde_json::to_string(&held.told())?);
        if lines.next_line().await?.is_none() {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Held {
    open: AtomicUsize,
    failure: std::sync::OnceLock<String>,
}

impl Held {
    async fn hold(self: Arc<Self>, target: &Target, ticket: String, phase: f64) {
        match target.join(&ticket).await {
            Ok(connection) => {
                self.open.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Err(failure) = connection.keep(phase).await {
                        self.open.fetch_sub(1, Ordering::Relaxed);
                        self.failure.get_or_init(|| failure.to_string());
                    }
                });
            }
            Err(failure) => _ = self.failure.get_or_init(|| failure.to_string()),
        }
    }

    fn told(&self) -> Holding {
        Holding { open: self.open.load(Ordering::Relaxed), failure: self.failure.get().cloned() }
    }
}
