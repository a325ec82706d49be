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

    /// The sum of a metric over all its labels; zero when nothing was counted yet.
    ///
    /// # Errors
    ///
    /// When the node does not tell.
    pub async fn metric(&self, name: &str) -> Result<f64, ClusterError> {
        let failed = |source| ClusterError::Metrics { node: self.name.clone(), source };
        let url = format!("http://{}/metrics", self.ready().private);
        let answer = reqwest::get(url).await.and_then(reqwest::Response::error_for_status);
        let text = answer.map_err(failed)?.text().await.map_err(failed)?;
        Ok(sum(&text, name))
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

    /// SIGTERM, and does not wait.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn ask_to_stop(&self) -> Result<(), ClusterError> {
        self.send(Signal::TERM)
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

/// The text format of Prometheus has a series per line: its name, its labels in braces, its value.
fn sum(metrics: &str, name: &str) -> f64 {
    let series = metrics
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_over_nothing_else() {
        let text = "# TYPE sends counter\nsends{outcome=\"a b\"} 3\nsends{outcome=\"c\"} 4\nsends_total 9\nup 1\n";
        assert!((sum(text, "sends") - 7.0).abs() < f64::EPSILON);
        assert!((sum(text, "up") - 1.0).abs() < f64::EPSILON);
        assert!(sum(text, "other").abs() < f64::EPSILON);
    }
}
