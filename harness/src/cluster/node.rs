use std::{net::SocketAddr, process::ExitStatus};

use rustix::process::Signal;
use serde::Deserialize;

use super::ClusterError;
use crate::{
    process::{Launch, Running},
    system::ReservedPort,
};

/// One process of one role. It keeps its ports while it is away.
#[derive(Debug)]
pub struct Node {
    name: String,
    running: Running<NodeReady>,
    _ports: Vec<ReservedPort>,
}

/// The line that `nudge fetch --json` and `nudge signal --json` print once they take connections.
#[derive(Clone, Debug, Deserialize)]
pub struct NodeReady {
    /// Where the API listens, on a fetch node.
    pub fetch: Option<SocketAddr>,
    /// Where devices connect, on a signal node.
    pub signal: Option<SocketAddr>,
    /// Where health, metrics and, on a fetch node, the watch are.
    pub private: SocketAddr,
}

impl Node {
    pub(super) async fn start(
        name: String,
        launch: Launch,
        ports: Vec<ReservedPort>,
    ) -> Result<Self, ClusterError> {
        match Running::start(launch).await {
            Ok(running) => Ok(Self { name, running, _ports: ports }),
            Err(source) => Err(ClusterError::Node { node: name, source }),
        }
    }

    /// What it is called, such as "fetch 1".
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn ready(&self) -> &NodeReady {
        self.running.ready()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
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
    pub async fn kill(&mut self) -> Result<(), ClusterError> {
        let killed = self.running.kill().await;
        killed.map_err(|source| ClusterError::Node { node: self.name.clone(), source })
    }

    /// SIGTERM, and waits for the graceful end.
    ///
    /// # Errors
    ///
    /// When it does not end within a minute.
    pub async fn terminate(&mut self) -> Result<ExitStatus, ClusterError> {
        let ended = self.running.terminate().await;
        ended.map_err(|source| ClusterError::Node { node: self.name.clone(), source })
    }

    /// Starts it again at the same addresses, after [`Self::kill`] or [`Self::terminate`].
    ///
    /// # Errors
    ///
    /// With its output, when it does not get ready.
    pub async fn restart(&mut self) -> Result<(), ClusterError> {
        let started = self.running.restart().await;
        started.map_err(|source| ClusterError::Node { node: self.name.clone(), source })
    }

    /// It keeps its connections, and does nothing any more.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn freeze(&self) -> Result<(), ClusterError> {
        self.send(Signal::STOP)
    }

    /// It goes on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn thaw(&self) -> Result<(), ClusterError> {
        self.send(Signal::CONT)
    }

    fn send(&self, signal: Signal) -> Result<(), ClusterError> {
        let sent = self.running.signal(signal);
        sent.map_err(|source| ClusterError::Node { node: self.name.clone(), source })
    }
}
