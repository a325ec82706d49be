//! The command line.

mod account;
mod admin;
mod bench;
mod demo;
mod messages;
mod servers;

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use nudge_trace::TraceConfig;
use tracing_subscriber::EnvFilter;

use crate::{failure::Failure, settings::arguments_with_file};

pub(crate) use account::{Account, Devices, Login, Logout, Register};
pub(crate) use admin::{Admin, AdminAction, AskMessage, AskSessions, AskStats, Kick, Nodes};
pub(crate) use bench::{
    Bench, BenchBus, BenchIdle, BenchMedia, BenchSend, BenchSlowReaders, Measurement,
};
pub(crate) use demo::Demo;
pub(crate) use messages::{Chat, Conversations, Download, History, Listen, Send};
pub(crate) use servers::{DataFolder, FetchNode, LogFormat, Serve, SignalNode};

/// A self-hosted messaging backend: a tiny notice over one cheap socket, the content pulled over HTTP
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log on standard error: a level, or a filter like "nudge_fetch=debug"
    #[arg(long, global = true, env = "NUDGE_LOG", default_value = "warn", value_name = "FILTER")]
    log: String,
    /// How log lines look
    #[arg(long, global = true, env = "NUDGE_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

impl Cli {
    /// Reads the command line, the environment, and the configuration file that they name; ends the
    /// program where the command line makes no sense, or asks for help.
    pub(crate) fn read() -> Result<Self, Failure> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let matches = Self::command().get_matches_from(&arguments);
        let with_file = arguments_with_file(arguments.clone(), Self::command(), &matches)?;
        if with_file.len() == arguments.len() {
            return Self::from_arg_matches(&matches).map_err(Failure::configuration);
        }
        // The command line alone made sense: what does not stands in the file.
        Self::try_parse_from(with_file).map_err(|error| {
            let text = error.render().to_string();
            let reason = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Failure::configuration(format!("the configuration file: {reason}"))
        })
    }

    /// What to log.
    pub(crate) fn log_filter(&self) -> Result<EnvFilter, Failure> {
        // The command itself says that a certificate is not trusted; the verifier would say it again.
        // So would NATS' client about what the bus notes once; spans for traces repeat what the log's own say.
        // What an admin did is always noted.
        let spans = nudge_trace::SPANS;
        let quiet = format!("rustls_platform_verifier=off,async_nats=off,{spans}=off");
        let filter = format!("{quiet},nudge_audit=info,{}", self.log);
        EnvFilter::try_new(filter).map_err(|error| {
            Failure::configuration(format!(
                "--log is a level or a filter like \"nudge_fetch=debug\", and {:?} is not: {error}",
                self.log
            ))
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<Serve>),
    Fetch(Box<FetchNode>),
    Signal(Box<SignalNode>),
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
    Admin(Admin),
}

impl Command {
    /// What a server exports of its traces.
    pub(crate) fn traces(&self) -> Result<Option<TraceConfig>, Failure> {
        match self {
            Self::Serve(serve) => serve.traces.config("nudge"),
            Self::Fetch(node) => node.traces.config("nudge-fetch"),
            Self::Signal(node) => node.traces.config("nudge-signal"),
            Self::Demo(_)
            | Self::Register(_)
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Send(_)
            | Self::Listen(_)
            | Self::Download(_)
            | Self::Chat(_)
            | Self::Conversations(_)
            | Self::History(_)
            | Self::Devices(_)
            | Self::Bench(_)
            | Self::Migrate(_)
            | Self::Admin(_) => Ok(None),
        }
    }
}

/// Bring the database up to date, and stop
///
/// "nudge serve" and "nudge fetch" do the same at their start. Use this to migrate ahead of a new version:
/// with SQLite while no server uses the folder, with Postgres at any time. If everything is up to date,
/// nothing changes.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) data: DataFolder,
}
