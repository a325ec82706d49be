//! The store in one SQLite file: the embedded default.
//!
//! One writer, whose commits are shared by whatever gathered while the last one ran, and many
//! readers, each read from one snapshot (WAL). `synchronous=FULL`: a commit that was answered is on
//! disk.

mod accounts;
mod acks;
mod arguments;
mod changes;
mod conversations;
mod creation;
mod devices;
mod fan_out;
mod grants;
mod history;
mod inboxes;
mod media;
mod members;
mod messages;
mod multiparts;
mod operations;
#[cfg(test)]
mod plans;
mod receipts;
mod send;
mod send_facts;
mod send_rows;
mod story;
mod sweep;
mod upkeep;
mod views;
mod visible;
mod writer;

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    StoreError,
    schema::{self, SchemaError},
};
use writer::Writer;

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
    /// The next point's number.
    next_point: AtomicU64,
}

/// How the database is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// Starts although a commit that was answered might be lost with the power.
    pub allow_unsafe_durability: bool,
    /// Connections that read; each has a thread of its own.
    pub readers: u32,
    /// The largest size of the database in bytes; writes beyond are [`StoreError::Full`].
    pub size_bytes_max: Option<u64>,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// The disk.
    Full,
    /// Nothing: refused without [`SqliteOptions::allow_unsafe_durability`].
    Off,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            allow_unsafe_durability: false,
            readers: 4,
            size_bytes_max: None,
        }
    }
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
    /// The schema cannot be brought up to date, or is another version's.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A commit would not be on disk when it is answered.
    #[error(
        "the database runs with {setting}={found}, so that a commit might be lost: it must be {needed}; \
         only a test should start with --allow-unsafe-durability"
    )]
    NotDurable {
        /// SQLite's name of the setting.
        setting: &'static str,
        /// What it is, as read back.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// The first row could not be made.
    #[error("cannot prepare the store: {0}")]
    Prepare(#[from] StoreError),
}

impl SqliteStore {
    /// Opens the database at `path`, making it and bringing its schema up to date as needed.
    ///
    /// Holds `path` with the extension `lock` locked until [`Upkeep::close`](super::Upkeep::close):
    /// there is no bus to a second process.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let connect = connect_options(path, options);
        let mut connection = connect.connect().await.map_err(database)?;
        if !options.allow_unsafe_durability {
            check_durability(&mut connection, path).await?;
        }
        migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .acquire_timeout(WAIT_MAX)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(connect.clone().read_only(true))
            .await
            .map_err(database)?;
        let mut store = Self {
            readers,
            writer: Writer::start(connection, connect, lock),
            next_point: AtomicU64::default(),
        };
        store.next_point = AtomicU64::new(store.prepare().await?);
        Ok(store)
    }

    /// A snapshot to read from; dropped without a trace.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }
}

/// How long a connection waits for another.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// SQLite's default, in bytes.
const PAGE_BYTES: u64 = 4096;
/// Pages in the log before they move into the database, within a commit: 32 MiB.
const CHECKPOINT_PAGES: &str = "8192";

fn connect_options(path: &Path, options: &SqliteOptions) -> SqliteConnectOptions {
    let synchronous = match options.synchronous {
        Synchronous::Full => SqliteSynchronous::Full,
        Synchronous::Off => SqliteSynchronous::Off,
    };
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(WAIT_MAX)
        .statement_cache_capacity(256)
        .pragma("cache_size", "-32768")
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        // On macOS fsync leaves what it is given in the disk's own cache. Elsewhere these change nothing.
        .pragma("fullfsync", "1")
        .pragma("checkpoint_fullfsync", "1")
        .disable_statement_logging();
    match options.size_bytes_max {
        Some(bytes) => connect.pragma("max_page_count", (bytes / PAGE_BYTES).to_string()),
        None => connect,
    }
}

/// Takes the lock, and makes the database's file if need be: it has secrets in it, and SQLite would
/// let others read it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let private = |path: &Path| {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        file.map_err(|source| OpenError::Io { path: path.to_owned(), source })
    };
    let lock_path = path.with_extension("lock");
    let file = private(&lock_path)?;
    match file.try_lock() {
        Ok(()) => private(path).map(|_| file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: lock_path, source }),
    }
}

/// Reads the settings back: a file system or a build of SQLite may not do what it is told.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let migrator = schema::shared(sqlx::migrate!("../migrations/sqlite"));
    // Not `run`: with it the compiler does not see that a task may open a store.
    migrator.run_direct(None, connection, false).await.map_err(SchemaError::from)?;
    let needed: Option<i64> = sqlx::query_scalar("SELECT compatible_from FROM store")
        .fetch_optional(connection)
        .await
        .map_err(StoreError::from)?;
    Ok(schema::check(&migrator, needed.unwrap_or(0))?)
}

async fn check_durability(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await
        .map_err(database)?;
    if journal != "wal" {
        return Err(OpenError::NotDurable {
            setting: "journal_mode",
            found: journal,
            needed: "wal",
        });
    }
    let level: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.map_err(database)?;
    if level < 2 {
        let found = level.to_string();
        return Err(OpenError::NotDurable { setting: "synchronous", found, needed: "2 (FULL)" });
    }
    Ok(())
}
