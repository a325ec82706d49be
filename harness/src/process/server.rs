use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;
use serde::Deserialize;

use super::{Launch, ProcessError, Running};
use crate::{Api, ApiError, system::Ports};

/// `nudge serve` in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    data_dir: PathBuf,
    running: Running<Ready>,
    /// Kept for the next start.
    _ports: Ports,
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
        let ports = Ports::take()
            .map_err(|source| ProcessError::Io { binary: self.binary.clone(), source })?;
        let data_dir = self.data_dir.clone();
        let running = Running::start(self.launch(&ports)).await?;
        Ok(ServerProcess { data_dir, running, _ports: ports })
    }

    fn launch(self, ports: &Ports) -> Launch {
        let mut arguments: Vec<OsString> = vec!["serve".into(), "--json".into()];
        arguments.extend(["--data-dir".into(), self.data_dir.into()]);
        for (flag, port) in
            [("--signal", &ports.signal), ("--fetch", &ports.fetch), ("--private", &ports.private)]
        {
            arguments.extend([flag.into(), port.address().to_string().into()]);
        }
        arguments.extend(self.arguments);
        Launch { binary: self.binary, wrapper: self.wrapper, arguments, environment: Vec::new() }
    }
}

impl ServerProcess {
    /// Where it listens; the same after every restart.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        self.running.ready()
    }

    /// The server's own process id; a wrapper has another.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The folder of the database and the objects.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The API for a nobody.
    ///
    /// # Errors
    ///
    /// When the server's certificate cannot be read, or the TLS stack cannot be set up.
    pub fn anonymous_api(&self) -> Result<Api, ApiError> {
        let pem = self.ready().certificate.as_ref().map(fs::read_to_string).transpose();
        let pem = pem.map_err(ApiError::Certificate)?;
        Api::trusting(&self.ready().url, pem.as_deref())
    }

    /// The last lines it printed, over all restarts.
    #[must_use]
    pub fn output(&self) -> String {
        self.running.output()
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// When the system cannot reap it.
    pub async fn kill(&mut self) -> Result<(), ProcessError> {
        self.running.kill().await
    }

    /// Starts it again on the same data and the same ports, after [`Self::kill`] or
    /// [`Self::terminate`].
    ///
    /// # Errors
    ///
    /// As [`ServerCommand::start`].
    pub async fn restart(&mut self) -> Result<(), ProcessError> {
        self.running.restart().await
    }

    /// Starts it again and kills it after a while, whether it is ready by then or not.
    ///
    /// # Errors
    ///
    /// When the system cannot start or reap it.
    pub async fn start_and_kill(&mut self, after: Duration) -> Result<(), ProcessError> {
        self.running.start_and_kill(after).await
    }

    /// SIGTERM, and waits for the graceful end.
    ///
    /// # Errors
    ///
    /// When it does not end within a minute.
    pub async fn terminate(&mut self) -> Result<ExitStatus, ProcessError> {
        self.running.terminate().await
    }

    /// Sends a signal to the server itself, and not to a wrapper; nothing happens when it has ended.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        self.running.signal(signal)
    }
}
