use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use nudge_test_servers::{Nats, Postgres, PostgresOptions, S3};
use tokio::sync::Mutex;

use super::{Cluster, ClusterError, Node};
use crate::{FaultProxy, process::Launch, system::ReservedPort};

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    binary: PathBuf,
    fetch: usize,
    signal: usize,
    bus: BusKind,
    postgres: PostgresOptions,
    is_paired: bool,
    fetch_arguments: Vec<OsString>,
    signal_arguments: Vec<OsString>,
    /// (API, signaling) as clients are told, if not the proxies.
    advertised: Option<(String, String)>,
}

/// How the fetch nodes tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BusKind {
    /// Postgres' LISTEN and NOTIFY
    Postgres,
    /// A NATS server
    Nats,
}

/// Where the nodes are, before any of them runs.
struct Plan {
    fetch: Vec<FetchPorts>,
    signal: Vec<SignalPorts>,
}

struct FetchPorts {
    public: ReservedPort,
    private: ReservedPort,
}

struct SignalPorts {
    signal: ReservedPort,
    private: ReservedPort,
}

impl ClusterBuilder {
    pub(super) fn new(binary: PathBuf) -> Self {
        Self {
            binary,
            fetch: 2,
            signal: 2,
            bus: BusKind::Nats,
            postgres: PostgresOptions::default(),
            is_paired: false,
            fetch_arguments: Vec::new(),
            signal_arguments: Vec::new(),
            advertised: None,
        }
    }

    /// So many nodes of each role.
    #[must_use]
    pub const fn nodes(mut self, fetch: usize, signal: usize) -> Self {
        (self.fetch, self.signal) = (fetch, signal);
        self
    }

    /// The way between the fetch nodes.
    #[must_use]
    pub const fn bus(mut self, bus: BusKind) -> Self {
        self.bus = bus;
        self
    }

    /// Settings of the database's server.
    #[must_use]
    pub fn postgres(mut self, options: PostgresOptions) -> Self {
        self.postgres = options;
        self
    }

    /// Each fetch node sends its clients to the signal node of the same number, and not to the proxy in front of
    /// all: whoever uses [`Cluster::node_url`] knows which nodes he is on.
    #[must_use]
    pub const fn paired(mut self) -> Self {
        self.is_paired = true;
        self
    }

    /// Sends clients to a balancer of the caller's own, such as `https://localhost:7443` and
    /// `tls://localhost:7400`.
    #[must_use]
    pub fn advertise(mut self, api: impl Into<String>, signal: impl Into<String>) -> Self {
        self.advertised = Some((api.into(), signal.into()));
        self
    }

    /// Adds to the command line of every fetch node.
    #[must_use]
    pub fn fetch_arguments(
        mut self,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        self.fetch_arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds to the command line of every signal node.
    #[must_use]
    pub fn signal_arguments(
        mut self,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        self.signal_arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts the servers, then the fetch nodes, all at once, then the signal nodes.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] says what is missing, or which node did not get ready, with its output.
    pub async fn start(self) -> Result<Cluster, ClusterError> {
        let folder = tempfile::tempdir()?;
        let postgres = Postgres::start(self.postgres.clone())?;
        let database_front = FaultProxy::start(([127, 0, 0, 1], postgres.port()).into()).await?;
        let database = DATABASE.to_owned();
        postgres.run_sql(&format!("CREATE DATABASE {database}"))?;
        let objects = S3::start()?;
        let nats = (self.bus == BusKind::Nats).then(Nats::start).transpose()?;
        let plan = Plan::make(self.fetch, self.signal)?;
        let api_front =
            FaultProxy::balance(plan.fetch.iter().map(|it| it.public.address())).await?;
        let signal_front =
            FaultProxy::balance(plan.signal.iter().map(|it| it.signal.address())).await?;
        let mut cluster = Cluster {
            fetch: Vec::new(),
            signal: Vec::new(),
            api_front,
            signal_front,
            postgres,
            database_front,
            database,
            objects,
            nats,
            watch_secret: random_secret(),
            admin_token: random_secret(),
            _folder: folder,
        };
        self.start_nodes(&mut cluster, plan).await?;
        Ok(cluster)
    }

    async fn start_nodes(&self, cluster: &mut Cluster, plan: Plan) -> Result<(), ClusterError> {
        let watch = plan.fetch.iter().map(|ports| format!("http://{}", ports.private.address()));
        let watch = watch.collect::<Vec<_>>().join(",");
        let signal = self.advertised(cluster, &plan);
        let fetch = plan.fetch.into_iter().zip(1..).zip(signal).map(|((ports, number), signal)| {
            let data_dir = cluster._folder.path().join(format!("fetch{number}"));
            let launch = self.fetch_launch(cluster, &data_dir, &ports, signal);
            Node::start(format!("fetch {number}"), launch, vec![ports.public, ports.private])
        });
        let fetch = futures::future::try_join_all(fetch.collect::<Vec<_>>()).await?;
        let signal = plan.signal.into_iter().zip(1..).map(|(ports, number)| {
            let launch = self.signal_launch(cluster, &watch, &ports);
            Node::start(format!("signal {number}"), launch, vec![ports.signal, ports.private])
        });
        let signal = futures::future::try_join_all(signal.collect::<Vec<_>>()).await?;
        cluster.fetch = fetch.into_iter().map(Mutex::new).collect();
        cluster.signal = signal.into_iter().map(Mutex::new).collect();
        Ok(())
    }

    /// Where each fetch node sends its clients.
    fn advertised(&self, cluster: &Cluster, plan: &Plan) -> Vec<SocketAddr> {
        let front = cluster.signal_front.address();
        let own = |number| {
            let node: Option<&SignalPorts> = plan.signal.get(number).filter(|_| self.is_paired);
            node.map_or(front, |ports| ports.signal.address())
        };
        (0..plan.fetch.len()).map(own).collect()
    }

    fn fetch_launch(
        &self,
        cluster: &Cluster,
        data_dir: &Path,
        ports: &FetchPorts,
        signal: SocketAddr,
    ) -> Launch {
        let port = cluster.database_front.address().port();
        let database = Postgres::url_at(port, &cluster.database);
        let mut arguments =
            words(["fetch", "--json", "--objects", &format!("s3://{}", S3::BUCKET)]);
        arguments.extend(["--data-dir".into(), data_dir.into()]);
        arguments.extend(flag("--fetch", ports.public.address()));
        arguments.extend(flag("--private", ports.private.address()));
        let (api, signal) =
            self.advertised.clone().unwrap_or_else(|| (cluster.url(), format!("tcp://{signal}")));
        arguments.extend(words(["--advertise-fetch", &api, "--advertise-signal", &signal]));
        if let Some(nats) = &cluster.nats {
            arguments.extend(words(["--bus", &nats.url()]));
        }
        arguments.extend(self.fetch_arguments.iter().cloned());
        let mut environment = vec![
            ("NUDGE_DATABASE".to_owned(), database.into()),
            ("NUDGE_WATCH_SECRET".to_owned(), cluster.watch_secret.as_str().into()),
            ("NUDGE_ADMIN_TOKEN".to_owned(), cluster.admin_token.as_str().into()),
            no_delay(),
        ];
        let objects = cluster.objects.environment().into_iter();
        environment.extend(objects.map(|(name, value)| (name.to_owned(), value.into())));
        Launch { binary: self.binary.clone(), arguments, environment, ..Launch::default() }
    }

    fn signal_launch(&self, cluster: &Cluster, watch: &str, ports: &SignalPorts) -> Launch {
        let mut arguments = words(["signal", "--json", "--fetch", watch]);
        arguments.extend(flag("--signal", ports.signal.address()));
        arguments.extend(flag("--private", ports.private.address()));
        arguments.extend(self.signal_arguments.iter().cloned());
        let environment = vec![
            ("NUDGE_WATCH_SECRET".to_owned(), cluster.watch_secret.as_str().into()),
            no_delay(),
        ];
        Launch { binary: self.binary.clone(), arguments, environment, ..Launch::default() }
    }
}

impl Plan {
    fn make(fetch: usize, signal: usize) -> std::io::Result<Self> {
        let fetch = (0..fetch).map(|_| {
            Ok(FetchPorts { public: ReservedPort::take()?, private: ReservedPort::take()? })
        });
        let signal = (0..signal).map(|_| {
            Ok(SignalPorts { signal: ReservedPort::take()?, private: ReservedPort::take()? })
        });
        Ok(Self {
            fetch: fetch.collect::<std::io::Result<_>>()?,
            signal: signal.collect::<std::io::Result<_>>()?,
        })
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

fn flag(name: &str, address: SocketAddr) -> [OsString; 2] {
    [name.into(), address.to_string().into()]
}

/// The cluster's own balancers do not ask whether a node is ready: to wait for them serves nobody.
fn no_delay() -> (String, OsString) {
    ("NUDGE_DRAIN_DELAY_S".to_owned(), "0".into())
}

fn random_secret() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(40).collect()
}

const DATABASE: &str = "nudge";
