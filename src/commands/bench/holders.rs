//! The processes that hold connections, as the measuring one sees them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Stdio,
};

use futures::future::try_join_all;
use nudge_proto::pb::content::Session;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{
    hold::{Holding, Job},
    server::Ready,
};
use crate::failure::Failure;

/// Processes, each with its share of the connections.
pub(super) struct Holders(Vec<Holder>);

struct Holder {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    held: usize,
}

impl Holders {
    /// Opens a connection for each session, spread over `processes`, and returns once all stand.
    pub(super) async fn open(
        server: &Ready,
        sessions: &[Session],
        processes: usize,
    ) -> Result<Self, Failure> {
        let run = fastrand::u16(..);
        let share = sessions.len().div_ceil(processes).max(1);
        let holders = sessions.chunks(share).enumerate().map(async |(number, sessions)| {
            let tickets = sessions.iter().map(|session| session.connect_ticket.clone());
            Holder::start(Job {
                signal: server.signal,
                source: source(number, run),
                certificate: server.certificate.clone(),
                tickets: tickets.collect(),
            })
            .await
        });
        Ok(Self(try_join_all(holders).await?))
    }

    /// Makes sure that every connection still stands.
    pub(super) async fn check(&mut self) -> Result<(), Failure> {
        for holder in &mut self.0 {
            holder.questions.write_all(b"\n").await?;
            holder.check().await?;
        }
        Ok(())
    }

    /// Closes all connections.
    pub(super) async fn close(self) -> Result<(), Failure> {
        for Holder { mut child, questions, .. } in self.0 {
            drop(questions);
            child.wait().await?;
        }
        Ok(())
    }
}

impl Holder {
    async fn start(job: Job) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "hold"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let no_pipe = || Failure::new("a child process has no pipes");
        let mut questions = child.stdin.take().ok_or_else(no_pipe)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(no_pipe)?).lines();
        let line = serde_json::to_string(&job)? + "\n";
        questions.write_all(line.as_bytes()).await?;
        let mut holder = Self { child, questions, answers, held: job.tickets.len() };
        holder.check().await?;
        Ok(holder)
    }

    async fn check(&mut self) -> Result<(), Failure> {
        let line = self.answers.next_line().await?;
        let line = line.ok_or_else(|| Failure::new("a process that holds connections ended"))?;
        let holding: Holding = serde_json::from_str(&line)?;
        if holding.open == self.held {
            return Ok(());
        }
        let why = holding.failure.unwrap_or_default();
        Err(Failure::new(format!("{} of {} connections stand: {why}", holding.open, self.held)))
    }
}

/// Every process of every run connects from a loopback address of its own: each has some 28,000 ports, and
/// those of an earlier run may not be free yet.
fn source(number: usize, run: u16) -> SocketAddr {
    let [high, low] = run.to_be_bytes();
    let last = u8::try_from(number % 250).unwrap_or_default() + 2;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, high.max(1), low, last)), 0)
}
