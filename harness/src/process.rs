//! The real binary as a child process: started on free ports, killed at any instant, started again
//! on the same data and the same ports.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{Api, ApiError, system::Ports};

/// A server must be ready within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A server must end within this time of being asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// What a server printed before it ended is read within this time.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// Lines of output that are kept.
const OUTPUT_LINES_MAX: usize = 500;

/// `nudge serve` in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    command: ServerCommand,
    ports: Ports,
    child: Child,
    ready: Ready,
    output: Output,
}

/// How to start a [`ServerProcess`].
#[derive(Clone, Debug)]
pub struct ServerCommand {
    binary: PathBuf,
    data_dir: PathBuf,
    arguments: Vec<OsString>,
    wrapper: Vec<OsString>,
}

/// The line that `nudge serve --json` prints once it takes connections.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// The one URL that an app needs.
    pub url: String,
    /// Where signal listens.
    pub signal: SocketAddr,
    /// Where fetch listens.
    pub fetch: SocketAddr,
    /// Where metrics and health are served.
    pub private: SocketAddr,
    /// The certificate's file, with TLS.
    pub certificate: Option<PathBuf>,
    /// The server's own process id; a wrapper has another.
    pub pid: u32,
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

impl ServerCommand {
    /// `binary serve` over `data_dir`, on free ports of the loopback.
    pub fn new(binary: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            data_dir: data_dir.into(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// Adds to the command line.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts the server by another program, such as `strace -o FILE`.
    #[must_use]
    pub fn under(mut self, wrapper: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], with the output, when the server does not get ready.
    pub async fn start(self) -> Result<ServerProcess, ProcessError> {
        let output = Output::default();
        let ports = Ports::take()
            .map_err(|source| ProcessError::Io { binary: self.binary.clone(), source })?;
        let (child, ready) = spawn(&self, &ports, &output).await?;
        Ok(ServerProcess { command: self, ports, child, ready, output })
    }

    fn command(&self, ports: &Ports) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
        };
        command
            .args(["serve", "--json", "--data-dir"])
            .arg(&self.data_dir)
            .args(["--signal", &ports.signal.address().to_string()])
            .args(["--fetch", &ports.fetch.address().to_string()])
            .args(["--private", &ports.private.address().to_string()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl ServerProcess {
    /// Where it listens; the same after every restart.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The folder of the database and the objects.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.command.data_dir
    }

    /// The API for a nobody.
    ///
    /// # Errors
    ///
    /// When the server's certificate cannot be read, or the TLS stack cannot be set up.
    pub fn anonymous_api(&self) -> Result<Api, ApiError> {
        let pem = self.ready.certificate.as_ref().map(fs::read_to_string).transpose();
        let pem = pem.map_err(ApiError::Certificate)?;
        Api::trusting(&self.ready.url, pem.as_deref())
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
        self.signal(Signal::KILL)?;
        self.child.wait().await.map(drop).map_err(|source| self.io(source))
    }

    /// Starts it again on the same data and the same ports, after [`Self::kill`] or
    /// [`Self::terminate`].
    ///
    /// # Errors
    ///
    /// As [`ServerCommand::start`].
    pub async fn restart(&mut self) -> Result<(), ProcessError> {
        (self.child, self.ready) = spawn(&self.command, &self.ports, &self.output).await?;
        Ok(())
    }

    /// Starts it again and kills it after a while, whether it is ready by then or not.
    ///
    /// # Errors
    ///
    /// When the system cannot start or reap it.
    pub async fn start_and_kill(&mut self, after: Duration) -> Result<(), ProcessError> {
        let spawned = self.command.command(&self.ports).spawn();
        self.child = spawned.map_err(|source| self.io(source))?;
        tokio::time::sleep(after).await;
        self.child.kill().await.map_err(|source| self.io(source))
    }

    /// SIGTERM, and waits for the graceful end.
    ///
    /// # Errors
    ///
    /// When it does not end within half a minute.
    pub async fn terminate(&mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) => status.map_err(|source| self.io(source)),
            Err(_) => Err(ProcessError::StillRunning { output: self.output.text() }),
        }
    }

    /// Sends a signal to the server itself, and not to a wrapper; nothing happens when it has ended.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        // While its parent was not waited for, the number belongs to nobody else.
        let is_running = self.child.id().is_some();
        let pid = i32::try_from(self.ready.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| is_running) else { return Ok(()) };
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(self.io(error.into())),
        }
    }

    fn io(&self, source: io::Error) -> ProcessError {
        ProcessError::Io { binary: self.command.binary.clone(), source }
    }
}

impl Drop for ServerProcess {
    /// A wrapper that is killed may leave its child running.
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
    }
}

async fn spawn(
    command: &ServerCommand,
    ports: &Ports,
    output: &Output,
) -> Result<(Child, Ready), ProcessError> {
    let io_error = |source| ProcessError::Io { binary: command.binary.clone(), source };
    let mut child = command.command(ports).spawn().map_err(io_error)?;
    let errors = child
        .stderr
        .take()
        .map(|stderr| tokio::spawn(output.clone().gather(BufReader::new(stderr).lines())));
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
            if let Some(errors) = errors {
                // Its last words may not be read yet, and a child of its own may keep it open.
                let _ = timeout(LAST_WORDS_TIMEOUT, errors).await;
            }
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
