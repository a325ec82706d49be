//! What the device remembers: one SQLite file in the account's state folder.
//!
//! What the app or the server was told is on disk first (`synchronous=FULL`). The one exception is
//! what the app has confirmed: losing that with the power only means that it is told once more.

mod account;
mod inbox;
mod outbox;
mod people;
mod updates;
mod uploads;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, config::SyncMode, error::Result, files::blocking};

pub(crate) use outbox::{NewMessage, NewUpload};
pub(crate) use uploads::PendingUpload;

/// The state of one account on this device.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Reads.
    pool: SqlitePool,
    /// Commits wait for the disk. One connection, so that writes of this process wait in line here and not for
    /// SQLite's lock, which is nobody's turn.
    writer: SqlitePool,
    /// Commits wait for the system's cache.
    quick: SqlitePool,
    path: Arc<PathBuf>,
    /// Held by the one process that reads the inbox.
    sync_lock: Option<Arc<File>>,
    /// Names this process among those on the folder.
    process: i64,
}

impl State {
    /// Opens the folder, making it as needed.
    pub(crate) async fn open(folder: &Path, sync: SyncMode) -> Result<Self> {
        make_private(folder).map_err(Error::file(folder))?;
        let path = folder.join("state.db");
        private_file(&path).map_err(Error::file(&path))?;
        let sync_lock = match sync {
            SyncMode::Automatic => lock(&folder.join("sync.lock"))?.map(Arc::new),
            SyncMode::Off => None,
        };
        let failed =
            |source: sqlx::Error| Error::State { path: path.clone(), source: source.into() };
        let writer = connect(&path, SqliteSynchronous::Full, 1).await.map_err(failed)?;
        // Two processes may open a new folder at once.
        let turn = wait_for_lock(&folder.join("migrate.lock")).await?;
        sqlx::migrate!().run(&writer).await.map_err(|error| failed(error.into()))?;
        drop(turn);
        let pool = connect(&path, SqliteSynchronous::Full, 3).await.map_err(failed)?;
        let quick = connect(&path, SqliteSynchronous::Normal, 1).await.map_err(failed)?;
        let process = fastrand::i64(1..);
        let state = Self { pool, writer, quick, path: Arc::new(path), sync_lock, process };
        state.prepare_account().await?;
        if state.is_syncing() {
            // Whoever had the lock before is gone, and with it what it began.
            state.adopt_outbox(u64::MAX).await?;
        }
        state.forget_old().await?;
        Ok(state)
    }

    /// Whether this process is the one that reads the inbox.
    pub(crate) const fn is_syncing(&self) -> bool {
        self.sync_lock.is_some()
    }

    /// Lets the folder go, although a listener may still hold on to this.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
        self.writer.close().await;
        self.quick.close().await;
        if let Some(lock) = &self.sync_lock
            && let Err(error) = lock.unlock()
        {
            tracing::warn!(%error, "the lock of the state folder cannot be released");
        }
    }

    /// A transaction that writes: it waits for its turn now, so that it cannot fail for it later.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> Error + Copy + '_ {
        |source| Error::State { path: self.path.as_ref().clone(), source: source.into() }
    }

    /// Keeps what grows with use within its limits.
    pub(crate) async fn forget_old(&self) -> Result<()> {
        self.forget_old_outcomes().await?;
        self.forget_old_ids().await
    }
}

async fn connect(
    path: &Path,
    synchronous: SqliteSynchronous,
    connections: u32,
) -> std::result::Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        // On macOS a plain fsync does not reach the disk.
        .pragma("fullfsync", "1")
        .pragma("checkpoint_fullfsync", "1")
        .busy_timeout(Duration::from_secs(10));
    SqlitePoolOptions::new().max_connections(connections).connect_with(options).await
}

/// Nothing when another process has it.
fn lock(path: &Path) -> Result<Option<File>> {
    let file = private_file(path).map_err(Error::file(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(Error::file(path)(source)),
    }
}

/// Held until it is dropped.
async fn wait_for_lock(path: &Path) -> Result<File> {
    let file = private_file(path).map_err(Error::file(path))?;
    blocking(path, move || file.lock().map(|()| file)).await
}

/// A folder for this user's eyes: it holds credentials.
fn make_private(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// SQLite's integers are signed; ours stay below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
