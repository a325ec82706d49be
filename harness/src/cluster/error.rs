use std::io;

use nudge_test_servers::ServerError;

use crate::ProcessError;

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A server that the nodes stand on is missing.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A node does not start.
    #[error("{node}: {source}")]
    Node {
        /// Which.
        node: String,
        /// Why.
        source: ProcessError,
    },
    /// A node does not tell what it counted.
    #[error("the metrics of {node}: {source}")]
    Metrics {
        /// Which.
        node: String,
        /// Why.
        source: reqwest::Error,
    },
    /// What was done to the cluster ended in a panic: whether it was done is not known.
    #[error("what was done to the cluster panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// A port, a folder or a proxy cannot be had.
    #[error("cannot prepare the cluster: {0}")]
    Io(#[from] io::Error),
}
