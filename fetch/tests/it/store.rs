//! The SQLite store, held to what every store must do.

use std::{fs, path::Path, sync::Arc};

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

#[test]
fn every_check_of_the_suite_is_run() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/conformance.rs");
    let list = fs::read_to_string(&suite).unwrap();
    let mut checks = 0;
    for room in fs::read_dir(suite.with_extension("")).unwrap() {
        let room = room.unwrap().path();
        if room.extension().is_none_or(|extension| extension != "rs") || room.ends_with("world.rs")
        {
            continue;
        }
        for line in fs::read_to_string(&room).unwrap().lines() {
            let Some(check) = line.strip_prefix("pub async fn ") else { continue };
            let check = check.split('(').next().unwrap();
            assert!(list.contains(&format!(" {check},\n")), "{check} in {room:?} is not run");
            checks += 1;
        }
    }
    assert!(checks > 100, "{checks} checks were found");
}
