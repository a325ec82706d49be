//! The SQLite store.

use std::sync::Arc;

use nudge_fetch::store::{
    Store,
    conformance::Place,
    sqlite::{SqliteOptions, SqliteStore},
};
use tempfile::TempDir;

/// A folder with a database in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait::async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        let path = self.0.path().join("nudge.db");
        Arc::new(SqliteStore::open(&path, &SqliteOptions::default()).await.unwrap())
    }
}

nudge_fetch::store_conformance!(Folder::new());
