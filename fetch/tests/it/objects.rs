//! Objects in a local directory, held to what every place must do; and the collector.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{TryStreamExt, future::join_all};
use nudge_fetch::{
    media::{
        RunningDigest,
        collector::{Collected, collect},
    },
    objects::{
        Found, Layout, Ledger, LocalObjects, ObjectError, ObjectName, Objects, PlaceError,
        Unfinished,
        conformance::{Identity, Site},
    },
    store::{
        AppendCommit, MediaQuota, NewUpload, Store, UnixMs,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use nudge_proto::{MediumId, UserId};
use tempfile::TempDir;

const ANY_AGE: UnixMs = UnixMs(u64::MAX);

/// A directory of one store.
struct Directory(TempDir, Identity);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Identity::default())
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("objects")
    }
}

#[async_trait::async_trait]
impl Site for Directory {
    async fn open(&self, _ledger: Arc<dyn Ledger>) -> Arc<dyn Objects> {
        Arc::new(LocalObjects::open(&self.root(), &self.1).await.unwrap())
    }
}

nudge_fetch::objects_conformance!(Directory::new());

#[tokio::test]
async fn a_directory_is_opened_by_its_own_store_alone() {
    let directory = Directory::new();
    for _ in 0..2 {
        LocalObjects::open(&directory.root(), &directory.1).await.unwrap();
    }
    let refused = LocalObjects::open(&directory.root(), &Identity::default()).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::OtherStore { .. })), "{refused}");
}

#[tokio::test]
async fn a_store_opens_its_own_directory_alone() {
    let (directory, other) = (Directory::new(), Directory::new());
    LocalObjects::open(&directory.root(), &directory.1).await.unwrap();
    let refused = LocalObjects::open(&other.root(), &directory.1).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::OtherPlace { .. })), "{refused}");
    // Nothing was left there: it may be another store's.
    LocalObjects::open(&other.root(), &other.1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_agree_on_a_directory_or_refuse_the_others() {
    for _ in 0..50 {
        let (directory, other) = (Directory::new(), Directory::new());
        let opening = (0..10).map(|n| {
            let root = if n == 7 { other.root() } else { directory.root() };
            let owner = directory.1.clone();
            tokio::spawn(async move { LocalObjects::open(&root, &owner).await.map(drop) })
        });
        let opened = join_all(opening).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        let elsewhere = opened[7].is_ok();
        for (n, opened) in opened.iter().enumerate() {
            assert_eq!(opened.is_ok(), elsewhere == (n == 7), "{n}: {opened:?}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_was_marked_before_directories_had_ids_is_opened() {
    let directory = Directory::new();
    let store_id = nudge_fetch::objects::Owner::ids(&directory.1).await.unwrap().0;
    std::fs::create_dir_all(directory.root()).unwrap();
    std::fs::write(directory.root().join("store-id"), format!("{store_id}\n")).unwrap();
    for _ in 0..2 {
        LocalObjects::open(&directory.root(), &directory.1).await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_lost_its_marker_is_not_taken_for_a_new_one() {
    let directory = Directory::new();
    std::fs::create_dir_all(directory.root().join("media").join(MediumId::random().to_string()))
        .unwrap();
    let refused = LocalObjects::open(&directory.root(), &directory.1).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::NoMarker { .. })), "{refused}");
}

struct Media {
    folder: TempDir,
    store: SqliteStore,
    objects: LocalObjects,
}

impl Media {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nudge.db");
        let store = SqliteStore::open(&path, &SqliteOptions::default()).await.unwrap();
        let objects = LocalObjects::open(&folder.path().join("objects"), &store).await.unwrap();
        Self { folder, store, objects }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn write(&self, id: MediumId) -> Layout {
        let upload = Unfinished { id, size: 5, fence: 1, layout: Layout::default() };
        let mut writer = self.objects.write(upload).await.unwrap();
        writer.append(Bytes::from_static(b"hello")).await.unwrap();
        writer.sync().await.unwrap().unwrap()
    }

    /// Five bytes, and no row.
    async fn stray(&self) -> (MediumId, Layout) {
        self.stray_as(MediumId::random()).await
    }

    async fn stray_as(&self, id: MediumId) -> (MediumId, Layout) {
        (id, self.write(id).await)
    }

    /// Five bytes, committed.
    async fn upload(&self) -> (MediumId, Layout) {
        let (id, layout) = self.stray().await;
        let owner_id = UserId::random();
        let upload = NewUpload {
            id,
            owner_id,
            request_id: None,
            file_name: String::new(),
            content_type: String::new(),
            size: 5,
            declared_sha256: None,
            digest_state: RunningDigest::default().state(),
            now: UnixMs(1),
            expires_at: UnixMs(1000),
            quota: MediaQuota { bytes: 5, unfinished: 1 },
        };
        self.store().create_upload(upload).await.unwrap();
        let turn = self.store().begin_append(owner_id, id, 0).await.unwrap();
        let commit = AppendCommit {
            id,
            fence: turn.fence,
            layout: layout.clone(),
            offset: 5,
            digest_state: turn.digest_state,
            expires_at: UnixMs(1000),
        };
        self.store().commit_append(commit).await.unwrap();
        (id, layout)
    }

    async fn finish(&self, (id, layout): &(MediumId, Layout)) -> ObjectName {
        self.objects.finish(*id, 5, layout).await.unwrap()
    }

    async fn complete(&self, id: MediumId, object: ObjectName) {
        let (now, later) = (UnixMs(1), UnixMs(1000));
        self.store().complete_upload(id, [7; 32], object, now, later).await.unwrap();
    }

    async fn list(&self) -> Vec<Found> {
        self.objects.list().await.unwrap().try_collect().await.unwrap()
    }
}

#[tokio::test]
async fn the_collector_removes_what_a_crash_left_and_nothing_that_lives() {
    let media = Media::open().await;
    let unfinished = media.upload().await;
    // Died after the object and before its row: its upload goes on to become visible.
    let between = media.upload().await;
    media.finish(&between).await;
    let whole = media.upload().await;
    let object = media.finish(&whole).await;
    media.complete(whole.0, object.clone()).await;
    // Died before what it lay in was removed.
    let leftover = media.upload().await;
    media.complete(leftover.0, object).await;
    let (stray, stray_whole) = (media.stray().await, media.stray().await);
    media.finish(&stray_whole).await;

    let collected = collect(media.store(), &media.objects, ANY_AGE).await.unwrap();
    assert!(collected.orphans >= 2 && collected.leftovers >= 1, "{collected:?}");
    let left: Vec<_> = media.list().await.into_iter().map(|found| found.id).collect();
    for lives in [unfinished, between, whole] {
        assert!(left.contains(&lives.0));
    }
    for gone in [stray, stray_whole, leftover] {
        assert!(!left.contains(&gone.0));
    }
    assert_eq!(collect(media.store(), &media.objects, ANY_AGE).await.unwrap().orphans, 0);
    media.store().close().await;
}

#[tokio::test]
async fn p1_the_collector_leaves_what_a_newer_database_may_know() {
    let media = Media::open().await;
    let (known, id) = (UnixMs(1_800_000_000_000), MediumId::at_time(1_800_000_000_001));
    media.stray_as(id).await;
    // The row is in the database that took this one's place; a node that is cut off with this one collects.
    let collected = collect(media.store(), &media.objects, known).await.unwrap();
    assert_eq!((collected, media.list().await.len()), (Collected::default(), 1));
    let later = UnixMs(id.made_at_ms());
    assert_eq!(collect(media.store(), &media.objects, later).await.unwrap().orphans, 1);
    media.store().close().await;
}

#[tokio::test]
async fn an_empty_place_has_nothing_to_collect() {
    let media = Media::open().await;
    let collected = collect(media.store(), &media.objects, ANY_AGE).await.unwrap();
    assert_eq!(collected, Collected::default());
    media.store().close().await;
}

#[tokio::test]
async fn the_collector_touches_nothing_in_a_place_that_is_another_stores_by_now() {
    let media = Media::open().await;
    media.stray().await;
    let marked =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("store-id");
    let root = media.folder.path().join("objects");
    let marker = std::fs::read_dir(root).unwrap().map(Result::unwrap).find(marked).unwrap().path();
    let ours = std::fs::read(&marker).unwrap();
    std::fs::write(&marker, format!("{}\n", uuid::Uuid::new_v4())).unwrap();
    assert!(collect(media.store(), &media.objects, ANY_AGE).await.is_err());
    std::fs::write(&marker, ours).unwrap();
    assert_eq!(collect(media.store(), &media.objects, ANY_AGE).await.unwrap().orphans, 1);
    media.store().close().await;
}
