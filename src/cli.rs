//! The command line.

mod account;
mod bench;
mod demo;
mod messages;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use nudge_fetch::FetchConfig;
use tracing_subscriber::EnvFilter;

use crate::{failure::Failure, settings::Settings};

pub(crate) use account::{Account, Devices, Login, Logout, Register};
pub(crate) use bench::{Bench, BenchIdle, BenchSend, Measurement};
pub(crate) use demo::Demo;
pub(crate) use messages::{Chat, Conversations, Download, History, Listen, Send};

/// A self-hosted messaging backend: a tiny notice over one cheap socket, the content pulled over HTTP
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log on standard error: a level, or a filter like "nudge_fetch=debug"
    #[arg(long, global = true, env = "NUDGE_LOG", default_value = "warn", value_name = "FILTER")]
    log: String,
}

impl Cli {
    /// What to log; a filter that makes no sense logs warnings.
    pub(crate) fn log_filter(&self) -> EnvFilter {
        // The command itself says that a certificate is not trusted; the verifier would say it again.
        let filter = format!("rustls_platform_verifier=off,{}", self.log);
        EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<Serve>),
    Demo(Demo),
    Register(Register),
    Login(Login),
    Logout(Logout),
    Send(Send),
    Listen(Listen),
    Download(Download),
    Chat(Chat),
    Conversations(Conversations),
    History(History),
    Devices(Devices),
    Bench(Bench),
    Migrate(Migrate),
    /// Operate on the data of a server that is stopped
    Admin(Admin),
}

/// Run the whole server in one process, with nothing installed
///
/// SQLite and a folder for the media; signaling for the devices, the HTTP API, and health for the
/// operator, each on a listener of its own. A flag is stronger than its NUDGE_* variable, which is
/// stronger than the file given with --config.
///
/// SIGTERM and Ctrl-C send the clients away, let requests in flight finish, and end with status 0.
/// SIGHUP reads the certificate again. What was acknowledged is on disk, whatever ends the server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge serve                                              try it on this machine
  nudge serve --tls self-signed --fetch 0.0.0.0:7480 --signal 0.0.0.0:7400
  nudge serve --config /etc/nudge.toml
  nudge serve --fetch 127.0.0.1:0 --signal 127.0.0.1:0 --private 127.0.0.1:0 --json")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Configuration file in TOML; its keys are the long flags with underscores
    #[arg(long, env = "NUDGE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON line with the addresses once the server is ready
    #[arg(long)]
    pub(crate) json: bool,
}

/// Bring the database up to date, and stop
///
/// "nudge serve" does the same at its start. This is for doing it ahead of a new version, while no
/// server uses the folder; where everything is up to date, nothing happens.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) data: DataFolder,
}

/// Operate on the data of a server that is stopped
#[derive(Args, Debug)]
pub(crate) struct Admin {
    #[command(subcommand)]
    pub(crate) action: AdminAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminAction {
    /// Begin a new epoch after a backup was restored, while the server is stopped
    ///
    /// What devices acknowledged after the backup was made, the restored store does not know: its
    /// numbers would mean something else to them. In a new epoch every device reads its inbox from the
    /// start; messages it has already are recognized by their ids.
    NewEpoch(DataFolder),
}

/// Where a server's data is
#[derive(Args, Debug)]
pub(crate) struct DataFolder {
    /// Folder of the database and the media [default: ./nudge-data]
    #[arg(long, env = "NUDGE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's configuration file, which may name the folder
    #[arg(long, env = "NUDGE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFolder {
    /// As a server with the same flags, variables and file finds it.
    pub(crate) fn resolve(self) -> Result<FetchConfig, Failure> {
        let settings = Settings { data_dir: self.data_dir, ..Settings::default() };
        let settings = settings.with_file(self.config.as_deref())?;
        Ok(FetchConfig::new(settings.data_dir()))
    }
}
