//! Which store, and how it is opened.

use std::{path::Path, sync::Arc};

use sqlx::postgres::PgConnectOptions;

use super::{
    Store,
    postgres::{self, Failover, PostgresOptions, PostgresStore},
    sqlite::{self, SqliteOptions, SqliteStore},
};

/// Where everything that must last is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// In one file of the data folder, for one process: the embedded default.
    Sqlite(SqliteOptions),
    /// In Postgres, for any number of processes.
    Postgres(PostgresOptions),
}

impl Default for Database {
    fn default() -> Self {
        Self::Sqlite(SqliteOptions::default())
    }
}

impl Database {
    /// Opens the store, making it and bringing its schema up to date as needed; `data_dir` is there.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(&self, data_dir: &Path) -> Result<Arc<dyn Store>, OpenError> {
        Ok(match self {
            Self::Sqlite(options) => {
                Arc::new(SqliteStore::open(&data_dir.join(SQLITE_FILE), options).await?)
            }
            Self::Postgres(options) => Arc::new(PostgresStore::open(options).await?),
        })
    }

    /// What it means that another server takes over.
    #[must_use]
    pub const fn failover(&self) -> Failover {
        match self {
            Self::Sqlite(_) => Failover::Epoch,
            Self::Postgres(options) => options.failover,
        }
    }

    /// How another connection to the database is made; `None` for a file.
    ///
    /// # Errors
    ///
    /// [`OpenError::Postgres`] for a URL that cannot be read.
    pub fn connect_options(&self) -> Result<Option<PgConnectOptions>, OpenError> {
        Ok(match self {
            Self::Sqlite(_) => None,
            Self::Postgres(options) => Some(options.connect_options()?),
        })
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The server.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// The database's file in the data folder.
pub(crate) const SQLITE_FILE: &str = "nudge.db";
