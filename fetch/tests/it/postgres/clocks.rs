//! A node whose clock is wrong.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use nudge_fetch::{
    FetchParts,
    objects::ObjectsConfig,
    store::{Database, postgres::PostgresOptions},
};
use nudge_test_servers::Postgres;

use crate::support::{Service, noise};

/// Longer than anything is kept.
const AHEAD: Duration = Duration::from_secs(60 * 24 * 3600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_node_that_starts_with_its_clock_far_ahead_removes_nothing_that_is_live() {
    let (server, objects) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = server.database();
    let right = node(&url, objects.path(), Duration::ZERO).await;
    let (ada, bob) = (right.user("ada").await, right.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "of today").await;
    let bytes = noise(1000);
    let photo = ada.upload("photo.jpg", &bytes).await;
    right.fetch.shutdown().await;

    // One that is past its time by every clock, and of the kind that goes last.
    let sql =
        |statement: &str| server.run_sql_in(url.rsplit('/').next().unwrap(), statement).unwrap();
    sql("INSERT INTO media (id, owner_id, file_name, content_type, size, created_at, expires_at) \
         VALUES (gen_random_uuid(), gen_random_uuid(), '', '', 1, 1, 1)");
    let wrong = node(&url, objects.path(), AHEAD).await;
    let is_swept = async {
        while sql("SELECT count(*) FROM media WHERE expires_at = 1").trim() != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_swept).await.expect("it does not sweep");
    assert_eq!(wrong.log_in("bob").await.texts(0).await, ["of today"]);
    assert!(wrong.log_in("ada").await.download(&photo).await == bytes);
    wrong.fetch.shutdown().await;
}

async fn node(url: &str, objects: &Path, ahead: Duration) -> Service {
    let database = Database::Postgres(PostgresOptions::new(url.to_owned()));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + ahead;
    let clock_ms = Arc::new(AtomicU64::new(now.as_millis() as u64));
    let path = objects.to_owned();
    let change = |config: &mut nudge_fetch::FetchConfig| {
        config.objects = ObjectsConfig::Directory { path, is_shared: true };
    };
    Service::start_on(database, Some(clock_ms), change, FetchParts::default()).await
}
