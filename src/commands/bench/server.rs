//! A server in a process of its own, over a folder of its own.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::gauge::Gauge;
use crate::failure::Failure;

/// The server must be ready, and gone, within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) ready: Ready,
    _folder: TempDir,
}

/// What `nudge serve --json` prints.
#[derive(Deserialize)]
pub(super) struct Ready {
    pub(super) url: String,
    pub(super) signal: SocketAddr,
    pub(super) certificate: Option<PathBuf>,
    pid: u32,
}

impl Server {
    /// Starts it over `folder`, whose data are in `data`.
    pub(super) async fn start(folder: TempDir, tls: bool) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--json", "--data-dir"]).arg(data_dir(&folder));
        for listener in ["--signal", "--fetch", "--private"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        if tls {
            command.args(["--tls", "self-signed"]);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let read = timeout(PATIENCE, stdout.read_line(&mut line)).await;
            read.map_err(|_| Failure::new("the server was not ready in time"))??;
        }
        let ready = serde_json::from_str(&line)
            .map_err(|_| Failure::new("the server ended without being ready"))?;
        Ok(Self { child, ready, _folder: folder })
    }

    /// Looks at its process.
    pub(super) const fn gauge(&self) -> Gauge {
        Gauge::of(self.ready.pid)
    }

    /// Stops it in an orderly way.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.ready.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.map_err(|_| Failure::new("the server did not stop in time"))??;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("the server: {status}"))) }
    }
}

/// Where the server's data lie in its folder.
pub(super) fn data_dir(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}
