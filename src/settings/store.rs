use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use nudge_fetch::{
    FetchConfig,
    objects::{ObjectsConfig, RemoteConfig},
    store::{
        Database,
        postgres::{Failover, FanOut, PostgresOptions},
        sqlite::{SqliteOptions, Synchronous},
    },
};

use super::{redirect::RedirectSettings, secret::secret};
use crate::failure::Failure;

/// Where everything but the media is kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub(crate) struct StoreSettings {
    /// Folder of what is kept on this machine: database, media, certificate, admin token
    #[arg(long, env = "NUDGE_DATA_DIR", value_name = "DIR", default_value = "nudge-data")]
    pub(crate) data_dir: PathBuf,
    /// "sqlite" for a file in the data folder, or postgres://USER:PASSWORD@HOST/DATABASE, with
    /// ?sslmode=verify-full&sslrootcert=FILE for TLS that is checked [default: sqlite]
    #[arg(long, env = "NUDGE_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// File that the database's URL is in, to keep its password from the command line
    #[arg(long, env = "NUDGE_DATABASE_FILE", value_name = "FILE")]
    pub(crate) database_file: Option<PathBuf>,
    /// Postgres: connections of this node for everything but sends and acks
    #[arg(long, env = "NUDGE_DATABASE_CONNECTIONS", value_name = "COUNT", default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) database_connections: u32,
    /// Postgres: further connections that commit sends; half as many more, rounded up, commit acks
    #[arg(long, env = "NUDGE_DATABASE_WRITERS", value_name = "COUNT", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) database_writers: u32,
    /// Postgres: the server gives up a statement after this many seconds
    #[arg(long, env = "NUDGE_STATEMENT_TIMEOUT_S", value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) statement_timeout_s: u64,
    /// Postgres: the server gives up waiting for a lock after this many seconds
    #[arg(long, env = "NUDGE_LOCK_TIMEOUT_S", value_name = "SECONDS", default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) lock_timeout_s: u64,
    /// Postgres: when a message comes into the inboxes; all nodes have to agree
    #[arg(long, env = "NUDGE_FAN_OUT", default_value = "with-commit")]
    pub(crate) fan_out: FanOutChoice,
    /// Postgres: what to do when another server, or another timeline, answers than before (a failover)
    #[arg(long, env = "NUDGE_FAILOVER", default_value = "epoch")]
    pub(crate) failover: FailoverChoice,
    /// SQLite: what a commit waits for before it is answered
    #[arg(long, env = "NUDGE_SQLITE_SYNCHRONOUS", default_value = "full")]
    pub(crate) sqlite_synchronous: SynchronousChoice,
    /// Start even though a power failure could lose messages that were answered as sent. For tests only
    #[arg(long, env = "NUDGE_ALLOW_UNSAFE_DURABILITY", num_args = 0..=1,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) allow_unsafe_durability: bool,
}

/// Where the media are kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub(crate) struct MediaSettings {
    /// A folder, or s3://BUCKET/PREFIX, gs://.., az://.. with the credentials in the variables that each
    /// is used to (AWS_ACCESS_KEY_ID, AWS_ENDPOINT, ..) [default: the data folder]
    #[arg(long, env = "NUDGE_OBJECTS", value_name = "DIR|URL")]
    pub(crate) objects: Option<String>,
    /// The folder of --objects is one that every node sees
    #[arg(long, env = "NUDGE_SHARED_DIRECTORY", num_args = 0..=1,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) shared_directory: bool,
    #[command(flatten)]
    pub(crate) redirect: RedirectSettings,
}

/// When a message comes into the inboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FanOutChoice {
    /// With its commit: one server has all inboxes
    WithCommit,
    /// In a transaction of its own: an engine distributes the inboxes over servers
    AfterCommit,
}

/// What another server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailoverChoice {
    /// Commits may be lost: a new epoch begins, and clients read again
    Epoch,
    /// The standby had every commit that was answered: nothing changes
    Synchronous,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SynchronousChoice {
    /// The disk
    Full,
    /// Nothing: refused without --allow-unsafe-durability
    Off,
}

impl StoreSettings {
    /// Fills in where the data are.
    pub(crate) fn config(&self) -> Result<FetchConfig, Failure> {
        let mut config = FetchConfig::new(self.data_dir.clone());
        let url = secret("database", self.database.clone(), self.database_file.as_deref())?;
        config.database = match url.as_deref() {
            None | Some("sqlite") => Database::Sqlite(SqliteOptions {
                synchronous: match self.sqlite_synchronous {
                    SynchronousChoice::Full => Synchronous::Full,
                    SynchronousChoice::Off => Synchronous::Off,
                },
                allow_unsafe_durability: self.allow_unsafe_durability,
                ..SqliteOptions::default()
            }),
            Some(url) if is_postgres(url) => Database::Postgres(PostgresOptions {
                connections: self.database_connections,
                writers: self.database_writers,
                statement_timeout: Duration::from_secs(self.statement_timeout_s),
                lock_timeout: Duration::from_secs(self.lock_timeout_s),
                fan_out: match self.fan_out {
                    FanOutChoice::WithCommit => FanOut::WithCommit,
                    FanOutChoice::AfterCommit => FanOut::AfterCommit,
                },
                allow_unsafe_durability: self.allow_unsafe_durability,
                failover: match self.failover {
                    FailoverChoice::Epoch => Failover::Epoch,
                    FailoverChoice::Synchronous => Failover::Synchronous,
                },
                ..PostgresOptions::new(url.to_owned())
            }),
            // It may be a password that stands in the wrong place.
            Some(_) => {
                return Err(Failure::configuration(
                    "--database is neither \"sqlite\" nor a URL that begins with postgres://",
                ));
            }
        };
        Ok(config)
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

impl MediaSettings {
    /// Fills in where the media are.
    pub(super) fn fill(self, config: &mut FetchConfig) -> Result<(), Failure> {
        let is_shared = self.shared_directory;
        config.objects = match self.objects {
            None if is_shared => {
                return Err(Failure::configuration(
                    "--shared-directory says something of the folder of --objects, and there is none",
                ));
            }
            None => ObjectsConfig::InDataDir,
            Some(url) if url.contains("://") => {
                ObjectsConfig::Remote(RemoteConfig::from_env(&url).map_err(Failure::configuration)?)
            }
            Some(path) => ObjectsConfig::Directory { path: path.into(), is_shared },
        };
        config.redirect = self.redirect.config();
        Ok(())
    }
}
