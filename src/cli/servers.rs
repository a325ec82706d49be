use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nudge_fetch::FetchConfig;

use crate::{
    failure::Failure,
    settings::{
        ApiSettings, BusSettings, DeviceListener, MediaSettings, PrivateListener, PublicListeners,
        SignalOperator, Stopping, StoreSettings, TraceSettings, WatchCall, WatchDoor,
    },
};

/// Run the whole server in one process, with nothing installed
///
/// SQLite and a folder for the media; signaling for the devices, the HTTP API, and health for the
/// operator, each on a listener of its own. A flag is stronger than its variable, which is
/// stronger than the file given with --config.
///
/// SIGTERM and Ctrl-C send the clients away, let requests in flight finish, and end with status 0; once
/// more, and what is open is cut off. SIGHUP reads the certificates again. What was acknowledged is on disk, whatever ends the server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge serve                                              try it on this machine
  nudge serve --tls self-signed --fetch 0.0.0.0:7480 --signal 0.0.0.0:7400
  nudge serve --config /etc/nudge.toml
  nudge serve --fetch 127.0.0.1:0 --signal 127.0.0.1:0 --private 127.0.0.1:0 --json")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) store: StoreSettings,
    #[command(flatten)]
    pub(crate) media: MediaSettings,
    #[command(flatten)]
    pub(crate) bus: BusSettings,
    #[command(flatten)]
    pub(crate) api: ApiSettings,
    #[command(flatten)]
    pub(crate) devices: DeviceListener,
    #[command(flatten)]
    pub(crate) private: PrivateListener,
    #[command(flatten)]
    pub(crate) public: PublicListeners,
    #[command(flatten)]
    pub(crate) watch: WatchDoor,
    #[command(flatten)]
    pub(crate) stopping: Stopping,
    #[command(flatten)]
    pub(crate) traces: TraceSettings,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// Run a content node: the HTTP API, and the watch for signal nodes
///
/// Several share one database in Postgres and one object store; devices keep their connection with
/// "nudge signal". SIGTERM makes the node unready; after --drain-delay-s it sends its signal nodes
/// elsewhere, lets requests in flight finish, and ends with status 0. SIGHUP reads the certificates again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  NUDGE_DATABASE=postgres://nudge:secret@db/nudge NUDGE_WATCH_SECRET=... \\
    nudge fetch --objects s3://nudge --bus nats://nats:4222 --advertise-signal tls://chat.example.org:7400
  nudge fetch --config /etc/nudge/fetch.toml")]
pub(crate) struct FetchNode {
    #[command(flatten)]
    pub(crate) store: StoreSettings,
    #[command(flatten)]
    pub(crate) media: MediaSettings,
    #[command(flatten)]
    pub(crate) bus: BusSettings,
    #[command(flatten)]
    pub(crate) api: ApiSettings,
    #[command(flatten)]
    pub(crate) private: PrivateListener,
    #[command(flatten)]
    pub(crate) public: PublicListeners,
    #[command(flatten)]
    pub(crate) watch: WatchDoor,
    #[command(flatten)]
    pub(crate) stopping: Stopping,
    #[command(flatten)]
    pub(crate) traces: TraceSettings,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// Run a signal node: the devices' connections, and nothing that must last
///
/// It holds no credentials but the watch secret, and learns everything from the fetch nodes. SIGTERM
/// makes the node unready; after --drain-delay-s it sends its clients elsewhere, spread over a while, and
/// ends with status 0. SIGHUP reads the certificates again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  NUDGE_WATCH_SECRET=... nudge signal --fetch http://fetch1:7490,http://fetch2:7490 --signal 0.0.0.0:7400 \\
    --tls /etc/nudge/cert.pem,/etc/nudge/key.pem
  nudge signal --config /etc/nudge/signal.toml")]
pub(crate) struct SignalNode {
    /// Folder of the certificate that --tls self-signed makes
    #[arg(long, env = "NUDGE_DATA_DIR", value_name = "DIR", default_value = "nudge-data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) devices: DeviceListener,
    #[command(flatten)]
    pub(crate) operator: SignalOperator,
    #[command(flatten)]
    pub(crate) public: PublicListeners,
    #[command(flatten)]
    pub(crate) watch: WatchCall,
    #[command(flatten)]
    pub(crate) stopping: Stopping,
    #[command(flatten)]
    pub(crate) traces: TraceSettings,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// How a server is started.
#[derive(Args, Debug)]
pub(crate) struct Start {
    /// Configuration file in TOML; its keys are the long flags with underscores
    #[arg(long, env = "NUDGE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON line with the addresses once the server is ready
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a server's data is
#[derive(Args, Debug)]
pub(crate) struct DataFolder {
    #[command(flatten)]
    store: StoreSettings,
    /// The server's configuration file, which may say it
    #[arg(long, env = "NUDGE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFolder {
    /// As a server with the same flags, variables and file finds it.
    pub(crate) fn resolve(&self) -> Result<FetchConfig, Failure> {
        self.store.config()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}
