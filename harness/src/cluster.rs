//! Many nodes as processes: fetch and signal nodes on Postgres, an S3 server and NATS, behind two proxies
//! that stand for the load balancers, and with one in front of the database.
//!
//! - `builder`: what a cluster is made of
//! - `node`: one process of one role
//! - `error`: why there is none

mod builder;
mod error;
mod node;

use nudge_test_servers::{Nats, Postgres, S3};
use tokio::sync::Mutex;

pub use builder::{BusKind, ClusterBuilder};
pub use error::ClusterError;
pub use node::{Node, NodeReady};
pub use nudge_test_servers::PostgresOptions;

use crate::FaultProxy;

/// A cluster on the loopback; every process of it is killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    fetch: Vec<Mutex<Node>>,
    signal: Vec<Mutex<Node>>,
    api_front: FaultProxy,
    signal_front: FaultProxy,
    postgres: Postgres,
    /// Where the nodes look for their database.
    database_front: FaultProxy,
    database: String,
    objects: S3,
    nats: Option<Nats>,
    watch_secret: String,
    admin_token: String,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Two fetch and two signal nodes with NATS, unless said otherwise; `binary` is the program `nudge`.
    pub fn builder(binary: impl Into<std::path::PathBuf>) -> ClusterBuilder {
        ClusterBuilder::new(binary.into())
    }

    /// The one URL that an app needs: the proxy in front of the fetch nodes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.api_front.address())
    }

    /// The API of one fetch node, past the proxy.
    pub async fn node_url(&self, fetch: usize) -> Option<String> {
        let node = self.fetch.get(fetch)?.lock().await;
        node.ready().fetch.map(|address| format!("http://{address}"))
    }

    /// The fetch nodes.
    #[must_use]
    pub fn fetch(&self) -> &[Mutex<Node>] {
        &self.fetch
    }

    /// The signal nodes.
    #[must_use]
    pub fn signal(&self) -> &[Mutex<Node>] {
        &self.signal
    }

    /// What stands in front of the API.
    #[must_use]
    pub const fn api_front(&self) -> &FaultProxy {
        &self.api_front
    }

    /// What stands in front of signaling.
    #[must_use]
    pub const fn signal_front(&self) -> &FaultProxy {
        &self.signal_front
    }

    /// The database's server, or the one that was it first.
    #[must_use]
    pub const fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// What stands between the nodes and their database.
    #[must_use]
    pub const fn database_front(&self) -> &FaultProxy {
        &self.database_front
    }

    /// The nodes find their database on another server from now on, and lose what they had of the old one.
    pub fn move_database(&self, server: &Postgres) {
        self.database_front.retarget(([127, 0, 0, 1], server.port()).into());
        self.database_front.cut();
    }

    /// The object store.
    #[must_use]
    pub const fn objects(&self) -> &S3 {
        &self.objects
    }

    /// The bus, if it is a server of its own.
    #[must_use]
    pub const fn nats(&self) -> Option<&Nats> {
        self.nats.as_ref()
    }

    /// What the roles know each other by.
    #[must_use]
    pub fn watch_secret(&self) -> &str {
        &self.watch_secret
    }

    /// What the operator shows.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }
}
