//! The real binary as a child process: started on free ports, killed at any instant, started again
//! on the same data and the same ports.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A server must be ready within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A server must end within this time of being asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of output that are kept.
const OUTPUT_LINES_MAX: usize = 500;

/// `nudge serve` in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    binary: PathBuf,
    data: PathBuf,
    arguments: Vec<OsString>,
    child: Child,
    ready: Ready,
    output: Output,
}

/// The line that `nudge serve --json` prints once it takes connections.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Where signal listens.
    pub signal: SocketAddr,
    /// The base URL of the content service.
    pub fetch: String,
    /// Where metrics and health are served.
    pub private: SocketAddr,
}

/// Why a server process is not there.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The operating system did not start, signal or reap it.
    #[error("the process of {binary}: {source}")]
    Io {
        /// The program.
        binary: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended or kept silent instead of saying that it is ready.
    #[error("{reason}; its output:\n{output}")]
    NotReady {
        /// What happened.
        reason: String,
        /// What it printed.
        output: String,
    },
    /// It did not end in time.
    #[error("the server still ran {STOP_TIMEOUT:?} after SIGTERM; its output:\n{output}")]
    StillRunning {
        /// What it printed.
        output: String,
    },
}

impl ServerProcess {
    /// Starts `binary serve` over `data` on free ports and waits until it is ready.
    ///
    /// `arguments` are added to the command line.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], with the output, when the server does not get ready.
    pub async fn start(
        binary: impl Into<PathBuf>,
        data: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, ProcessError> {
        let (binary, data) = (binary.into(), data.into());
        let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let output = Output::default();
        let ports = [anywhere; 3];
        let (child, ready) = spawn(&binary, &data, &arguments, ports, &output).await?;
        Ok(Self { binary, data, arguments, child, ready, output })
    }

    /// Where it listens; the same after every restart.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last lines it printed, over all restarts.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// When the system cannot reap it.
    pub async fn kill(&mut self) -> Result<(), ProcessError> {
        self.child.kill().await.map_err(|source| self.io(source))
    }

    /// Starts it again on the same data and the same ports, after [`Self::kill`] or
    /// [`Self::terminate`].
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), ProcessError> {
        let fetch = self.ready.fetch.rsplit('/').next().unwrap_or_default();
        let fetch = fetch.parse().map_err(|_| ProcessError::NotReady {
            reason: format!("the content service is at {:?}, not at an address", self.ready.fetch),
            output: self.output.text(),
        })?;
        let ports = [self.ready.signal, fetch, self.ready.private];
        (self.child, self.ready) =
            spawn(&self.binary, &self.data, &self.arguments, ports, &self.output).await?;
        Ok(())
    }

    /// SIGTERM, and waits for the graceful end.
    ///
    /// # Errors
    ///
    /// When it does not end within half a minute.
    pub async fn terminate(&mut self) -> Result<ExitStatus, ProcessError> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|error| self.io(error.into()))?;
        }
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) => status.map_err(|source| self.io(source)),
            Err(_) => Err(ProcessError::StillRunning { output: self.output.text() }),
        }
    }

    fn io(&self, source: io::Error) -> ProcessError {
        ProcessError::Io { binary: self.binary.clone(), source }
    }
}

async fn spawn(
    binary: &Path,
    data: &Path,
    arguments: &[OsString],
    [signal, fetch, private]: [SocketAddr; 3],
    output: &Output,
) -> Result<(Child, Ready), ProcessError> {
    let io_error = |source| ProcessError::Io { binary: binary.to_owned(), source };
    let mut child = Command::new(binary)
        .arg("serve")
        .arg("--json")
        .arg("--data")
        .arg(data)
        .args(["--signal-listen", &signal.to_string()])
        .args(["--fetch-listen", &fetch.to_string()])
        .args(["--private-listen", &private.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(io_error)?;
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(output.clone().gather(BufReader::new(stderr).lines()));
    }
    let Some(stdout) = child.stdout.take() else {
        return Err(io_error(io::ErrorKind::BrokenPipe.into()));
    };
    let mut lines = BufReader::new(stdout).lines();
    match timeout(START_TIMEOUT, read_ready(&mut lines, output)).await {
        Ok(Some(ready)) => {
            tokio::spawn(output.clone().gather(lines));
            Ok((child, ready))
        }
        Ok(None) => {
            let reason = match child.wait().await {
                Ok(status) => format!("the server ended with {status}"),
                Err(error) => format!("the server closed its output: {error}"),
            };
            Err(ProcessError::NotReady { reason, output: output.text() })
        }
        Err(_) => Err(ProcessError::NotReady {
            reason: format!("the server was not ready after {START_TIMEOUT:?}"),
            output: output.text(),
        }),
    }
}

/// The first line that says where the server listens; `None` when the output ended without one.
async fn read_ready(lines: &mut Lines<BufReader<ChildStdout>>, output: &Output) -> Option<Ready> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(ready) = serde_json::from_str(&line) {
            return Some(ready);
        }
        output.push(line);
    }
    None
}

/// The last lines of a process.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<VecDeque<String>>>);

impl Output {
    async fn gather<R: AsyncRead + Unpin>(self, mut lines: Lines<BufReader<R>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            self.push(line);
        }
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == OUTPUT_LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
