//! A program that prints a line of JSON once it is ready.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A program must be ready within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A program must end within this time of being asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// What a program printed before it ended is read within this time.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// Lines of output that are kept.
const OUTPUT_LINES_MAX: usize = 500;

/// Why a process is not there.
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

/// What is started, the same each time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    /// Another program that starts it, with its arguments.
    pub(crate) wrapper: Vec<OsString>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, OsString)>,
}

impl Launch {
    fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
        };
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A program that said that it is ready; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running<R> {
    launch: Launch,
    child: Child,
    /// The program's own process id; a wrapper has another.
    pid: u32,
    ready: R,
    output: Output,
}

#[derive(Deserialize)]
struct WithPid<R> {
    pid: u32,
    #[serde(flatten)]
    ready: R,
}

impl<R: DeserializeOwned> Running<R> {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(launch: Launch) -> Result<Self, ProcessError> {
        let output = Output::default();
        let (child, said) = spawn(&launch, &output).await?;
        Ok(Self { launch, child, pid: said.pid, ready: said.ready, output })
    }

    pub(crate) fn ready(&self) -> &R {
        &self.ready
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The last lines it printed, over all restarts.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) async fn kill(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::KILL)?;
        self.child.wait().await.map(drop).map_err(|source| self.io(source))
    }

    /// Starts it again, after [`Self::kill`] or [`Self::terminate`].
    pub(crate) async fn restart(&mut self) -> Result<(), ProcessError> {
        let (child, said) = spawn(&self.launch, &self.output).await?;
        (self.child, self.pid, self.ready) = (child, said.pid, said.ready);
        Ok(())
    }

    /// Starts it again and kills it after a while, whether it is ready by then or not.
    pub(crate) async fn start_and_kill(&mut self, after: Duration) -> Result<(), ProcessError> {
        let spawned = self.launch.command().spawn();
        self.child = spawned.map_err(|source| self.io(source))?;
        tokio::time::sleep(after).await;
        self.child.kill().await.map_err(|source| self.io(source))
    }

    /// SIGTERM, and waits for the graceful end.
    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) => status.map_err(|source| self.io(source)),
            Err(_) => Err(ProcessError::StillRunning { output: self.output.text() }),
        }
    }
}

impl<R> Running<R> {
    /// Sends a signal to the program itself, and not to a wrapper; nothing happens when it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        // While its parent was not waited for, the number belongs to nobody else.
        let is_running = self.child.id().is_some();
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| is_running) else { return Ok(()) };
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(self.io(error.into())),
        }
    }

    fn io(&self, source: io::Error) -> ProcessError {
        ProcessError::Io { binary: self.launch.binary.clone(), source }
    }
}

impl<R> Drop for Running<R> {
    /// A wrapper that is killed may leave its child running.
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
    }
}

async fn spawn<R: DeserializeOwned>(
    launch: &Launch,
    output: &Output,
) -> Result<(Child, WithPid<R>), ProcessError> {
    let io_error = |source| ProcessError::Io { binary: launch.binary.clone(), source };
    let mut child = launch.command().spawn().map_err(io_error)?;
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

/// The first line that says that it is ready; `None` when the output ended without one.
async fn read_ready<R: DeserializeOwned>(
    lines: &mut Lines<BufReader<ChildStdout>>,
    output: &Output,
) -> Option<WithPid<R>> {
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
