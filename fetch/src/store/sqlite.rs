//! The store in one SQLite file: the embedded default.
//!
//! One writer, whose commits are shared by whatever gathered while the last one ran, and many
//! readers, each read from one snapshot (WAL). `synchronous=FULL`: a commit that was answered is on
//! disk.

mod accounts;
mod acks;
mod conversations;
mod devices;
mod fan_out;
mod history;
mod inboxes;
mod media;
mod members;
mod receipts;
mod rows;
mod send;
mod upkeep;
mod writer;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::StoreError;
use writer::Writer;

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
    /// Held as long as the store is open: there is no bus to a second process.
    _lock: File,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{} is in use by another process: stop it first, or use Postgres to run several", path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The file or its folder cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite refuses.
    #[error("cannot open the database {}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A commit would not be on disk when it is answered.
    #[error("the database runs with synchronous={0}, a commit might be lost: it must be 2 (FULL)")]
    NotDurable(i64),
    /// The first row could not be made.
    #[error("cannot prepare the store: {0}")]
    Prepare(#[from] StoreError),
}

impl SqliteStore {
    /// Opens the database at `path`, making it and bringing its schema up to date as needed.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(256)
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut writer = options.connect().await.map_err(database)?;
        sqlx::migrate!("../migrations/sqlite").run(&mut writer).await?;
        check_durability(&mut writer).await.map_err(database)?.map_err(OpenError::NotDurable)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.read_only(true))
            .await
            .map_err(database)?;
        let store = Self { readers, writer: Writer::start(writer), _lock: lock };
        store.prepare().await?;
        Ok(store)
    }

    /// A snapshot to read from; dropped without a trace.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }
}

/// Reading connections; each has a thread of its own.
const READERS_MAX: u32 = 4;

fn lock(path: &Path) -> Result<File, OpenError> {
    let path = path.with_extension("lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.with_extension("db") }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Reads the setting back: a build of SQLite may ignore what it is told.
async fn check_durability(
    connection: &mut sqlx::SqliteConnection,
) -> Result<Result<(), i64>, sqlx::Error> {
    let level: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await?;
    Ok(if level >= 2 { Ok(()) } else { Err(level) })
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let is_full = error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code == SQLITE_FULL);
        if is_full {
            return Self::Full;
        }
        if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
            return Self::Damaged(error.to_string());
        }
        Self::Unavailable(error.to_string())
    }
}

/// SQLite's result code for a full disk.
const SQLITE_FULL: &str = "13";
