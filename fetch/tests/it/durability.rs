//! P1 and whose data it is: what a start refuses, and what a crash leaves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nudge_fetch::{
    Fetch, FetchConfig, FetchError, FetchParts,
    objects::{ObjectError, PlaceError},
    store::{
        Database, OpenError, SchemaError, Store, Upkeep,
        sqlite::{self, SqliteOptions, SqliteStore, Synchronous},
    },
};
use nudge_proto::{Cursor, Handle, InboxSeq};
use reqwest::Method;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::support::{Service, base64, noise};

async fn start(folder: &Path) -> Result<Fetch, FetchError> {
    Fetch::start(FetchConfig::new(folder.to_owned())).await
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_turned_away_with_a_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await.unwrap();
    let refused = start(folder.path()).await.unwrap_err();
    assert!(
        matches!(refused, FetchError::Store(OpenError::Sqlite(sqlite::OpenError::InUse { .. }))),
        "{refused}"
    );
    let path = folder.path().join("nudge.db");
    let message = format!(
        "{} is in use by another process: stop it first, or use Postgres to run several",
        path.display()
    );
    assert_eq!(refused.to_string(), message);
    let url = format!("http://{}/readyz", first.public_addr());
    assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "the first goes on");
    first.shutdown().await;
    start(folder.path()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn p1_a_database_that_does_not_wait_for_the_disk_is_refused_unless_a_flag_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = FetchConfig::new(folder.path().to_owned());
    let off = SqliteOptions { synchronous: Synchronous::Off, ..SqliteOptions::default() };
    config.database = Database::Sqlite(off.clone());
    let refused = Fetch::start(config.clone()).await.unwrap_err();
    let is_named = matches!(
        refused,
        FetchError::Store(OpenError::Sqlite(sqlite::OpenError::NotDurable { .. }))
    );
    assert!(is_named, "{refused}");
    assert!(refused.to_string().contains("synchronous=0"), "{refused}");
    config.database = Database::Sqlite(SqliteOptions { allow_unsafe_durability: true, ..off });
    Fetch::start(config).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn p7_a_database_of_a_newer_version_is_used_unless_that_forbids_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nudge.db");
    let options = SqliteOptions::default();
    let open = || SqliteStore::open(&path, &options);
    let run = async |statement| {
        let file = SqliteConnectOptions::new().filename(&path);
        let mut database = file.connect().await.unwrap();
        sqlx::query(statement).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    };
    open().await.unwrap().close().await;
    run("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'of a newer version', 1, x'', 0)")
    .await;
    open().await.unwrap().close().await;
    run("UPDATE store SET compatible_from = 9000").await;
    let refused = open().await.unwrap_err();
    let needed =
        matches!(&refused, sqlite::OpenError::Schema(SchemaError::TooNew { needed: 9000, .. }));
    assert!(needed && refused.to_string().contains("newer version of Nudge"), "{refused}");
}

#[tokio::test]
async fn media_of_another_store_are_refused_and_the_store_is_free_again() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&first, &second] {
        start(folder.path()).await.unwrap().shutdown().await;
    }
    let objects = |folder: &tempfile::TempDir| folder.path().join("objects");
    let put_away = second.path().join("put away");
    fs::rename(objects(&second), &put_away).unwrap();
    fs::rename(objects(&first), objects(&second)).unwrap();
    let refused = start(second.path()).await.unwrap_err();
    let is_other =
        matches!(refused, FetchError::Objects(ObjectError::Place(PlaceError::OtherStore { .. })));
    assert!(is_other, "{refused}");
    assert!(refused.to_string().contains("give each store a place of its own"), "{refused}");
    fs::remove_dir_all(objects(&second)).unwrap();
    fs::rename(put_away, objects(&second)).unwrap();
    start(second.path()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn media_that_lost_their_marker_are_opened_once_they_have_it_again() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    ada.upload("photo.jpg", &noise(10)).await;
    let folder = service.folder().to_owned();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder, copy.path());
    let marked = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("store-id");
    let entries = fs::read_dir(copy.path().join("objects")).unwrap().map(Result::unwrap);
    let marker = entries.into_iter().find(marked).unwrap();
    let lines = fs::read_to_string(marker.path()).unwrap();
    fs::remove_file(marker.path()).unwrap();
    let refused = start(copy.path()).await.unwrap_err().to_string();
    let name = marker.file_name().into_string().unwrap();
    for said in lines.lines().chain([name.as_str(), "elsewhere"]) {
        assert!(refused.contains(said), "{refused}");
    }
    fs::write(marker.path(), lines).unwrap();
    start(copy.path()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn p8_what_is_stored_is_for_this_user_of_the_machine_alone() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("nudge-data");
    start(&folder).await.unwrap().shutdown().await;
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join("nudge.db")), 0o600);
    assert_eq!(mode(folder.join("objects")), 0o700);
}

/// What a process that is killed leaves: the files as they are at that instant.
fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn p1_after_a_crash_everything_that_was_answered_is_there() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let bytes = noise(100_000);
    let path = ada.create_upload(200_000, &[]).await;
    let half = ada.append(&path, 0, bytes.clone()).send().await.unwrap();
    assert_eq!(half.status(), 204);
    let whole = ada.upload("photo.jpg", &bytes).await;
    for n in 0..20 {
        ada.send(&conversation, &format!("{n}")).await;
    }
    // The database's files only, while the service has them open.
    let crash = tempfile::tempdir().unwrap();
    for file in ["nudge.db", "nudge.db-wal"] {
        fs::copy(service.folder().join(file), crash.path().join(file)).unwrap();
    }
    let store =
        SqliteStore::open(&crash.path().join("nudge.db"), &SqliteOptions::default()).await.unwrap();
    let store: &dyn Store = &store;
    let bob_handle: Handle = "bob".parse().unwrap();
    let found = store.account_by_handle(&bob_handle).await.unwrap().unwrap().user.id;
    let limits = nudge_fetch::store::PageLimits { entries: 500, bytes: 1 << 20 };
    let after = Cursor { epoch: store.identity().await.unwrap().epoch, seq: InboxSeq(0) };
    let now = nudge_fetch::store::UnixMs(1_800_000_000_000);
    let page = store.inbox_page(found, after, limits, now).await.unwrap();
    assert_eq!(page.entries.len(), 20);
    let ada_id = ada.id.parse().unwrap();
    let upload = path.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(store.upload(ada_id, upload).await.unwrap().offset, 100_000);
    assert!(store.medium(ada_id, whole.parse().unwrap(), now).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn a_full_database_refuses_writes_and_goes_on_reading() {
    let small = |config: &mut FetchConfig| {
        let size_bytes_max = Some(2 << 20);
        let options = SqliteOptions { size_bytes_max, ..SqliteOptions::default() };
        config.database = Database::Sqlite(options);
    };
    let service = Service::start_with(small, FetchParts::default()).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let body = json!({ "content_type": "text/plain", "body": base64(&"x".repeat(40_000)) });
    let (mut sent, mut refused) = (0, None);
    for _ in 0..100 {
        let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
        let (status, problem) = ada.send_json(Method::PUT, &path, body.clone()).await;
        if status != 201 {
            refused = Some((status.as_u16(), problem["code"].clone()));
            break;
        }
        sent += 1;
    }
    assert_eq!(refused, Some((507, json!("storage_full"))));
    let page = bob.inbox(0).await;
    assert_eq!(page["head"], sent, "what was refused left nothing");
    assert_eq!(ada.get("/v1/me").await.0, 200);
}
