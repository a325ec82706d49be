//! Who asks: h2load where it is installed, or this program.

use std::{process::Stdio, sync::Arc, time::Instant};

use reqwest::Client;
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use super::{super::stand::Stand, case::Protocol};
use crate::failure::Failure;

/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 4;

/// Makes requests over some connections.
pub(super) struct Load {
    kind: Kind,
    connections: u32,
}

enum Kind {
    /// Its version.
    H2load(String),
    Own,
}

/// The same request, so many times.
#[derive(Clone)]
pub(super) struct Request<'s> {
    pub(super) url: String,
    pub(super) token: &'s str,
    pub(super) range: Option<String>,
    pub(super) protocol: Protocol,
    /// Of each answer's content.
    pub(super) bytes: u64,
    pub(super) count: u64,
}

impl Request<'_> {
    /// To warm up with.
    pub(super) const fn few(mut self) -> Self {
        self.count = if self.count < 8 { self.count } else { 8 };
        self
    }
}

impl Load {
    pub(super) fn choose(own: bool, connections: u32) -> Self {
        let version = || {
            let output = std::process::Command::new("h2load").arg("--version").output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let h2load = if own { None } else { version() };
        Self { kind: h2load.map_or(Kind::Own, Kind::H2load), connections }
    }

    pub(super) fn name(&self) -> &str {
        match &self.kind {
            Kind::H2load(version) => version,
            Kind::Own => "this program",
        }
    }

    /// Makes all requests; the seconds that they took.
    ///
    /// # Errors
    ///
    /// When one of them is not answered as it must be.
    pub(super) async fn run(&self, request: &Request<'_>, stand: &Stand) -> Result<f64, Failure> {
        let began = Instant::now();
        match &self.kind {
            Kind::H2load(_) => self.h2load(request).await?,
            Kind::Own => self.own(request, stand).await?,
        }
        Ok(began.elapsed().as_secs_f64())
    }

    async fn h2load(&self, request: &Request<'_>) -> Result<(), Failure> {
        let connections = u64::from(self.connections).min(request.count);
        let mut command = Command::new("h2load");
        command.args(["-t", "1", "-n", &request.count.to_string(), "-c", &connections.to_string()]);
        if request.protocol.is_http2() {
            command.args(["-m", &HTTP2_STREAMS.to_string()]);
        } else {
            command.args(["-m", "1", "--h1"]);
        }
        command.args(["-H", &format!("Authorization: Bearer {}", request.token)]);
        if let Some(range) = &request.range {
            command.args(["-H", &format!("Range: {range}")]);
        }
        let output = command.arg(&request.url).stdin(Stdio::null()).output().await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let all = format!(" {} succeeded", request.count);
        // With the heads of HTTP/1.1 in it, and so at least.
        let bytes = said.split_once("data").and_then(|(before, _)| {
            let (_, number) = before.rsplit_once('(')?;
            number.split_once(')')?.0.parse::<u64>().ok()
        });
        let is_complete = bytes.is_some_and(|bytes| bytes >= request.bytes * request.count);
        if said.contains(&all) && is_complete {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("h2load did not get all from {}: {said}{complaint}", request.url)))
    }

    async fn own(&self, request: &Request<'_>, stand: &Stand) -> Result<(), Failure> {
        let streams = if request.protocol.is_http2() { HTTP2_STREAMS } else { 1 };
        let left = Arc::new(Semaphore::new(request.count as usize));
        let mut asking = JoinSet::new();
        for _ in 0..self.connections {
            let client = stand.client();
            let client = if request.protocol.is_http2() {
                client.http2_prior_knowledge()
            } else {
                client.http1_only()
            };
            let client = client.build()?;
            for _ in 0..streams {
                let (client, left) = (client.clone(), Arc::clone(&left));
                let mut ask = client.get(&request.url).bearer_auth(request.token);
                if let Some(range) = &request.range {
                    ask = ask.header("Range", range);
                }
                let (ask, bytes) = (ask.build()?, request.bytes);
                asking.spawn(async move { ask_all(&client, &ask, bytes, &left).await });
            }
        }
        while let Some(asked) = asking.join_next().await {
            asked??;
        }
        Ok(())
    }
}

/// Asks as long as a turn is left.
async fn ask_all(
    client: &Client,
    ask: &reqwest::Request,
    bytes: u64,
    left: &Semaphore,
) -> Result<(), Failure> {
    while let Ok(turn) = left.try_acquire() {
        turn.forget();
        let again = ask.try_clone().ok_or_else(|| Failure::new("a request cannot be repeated"))?;
        let mut response = client.execute(again).await?.error_for_status()?;
        let mut got = 0;
        while let Some(chunk) = response.chunk().await? {
            got += chunk.len() as u64;
        }
        if got != bytes {
            return Err(Failure::new(format!("{got} bytes came instead of {bytes}")));
        }
    }
    Ok(())
}
