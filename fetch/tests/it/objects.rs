//! Objects in a local directory, held to what every place must do; and the collector.

use std::sync::Arc;

use bytes::Bytes;
use nudge_fetch::{
    media::{
        RunningDigest,
        collector::{Collected, collect},
    },
    objects::{CommittedSegment, LocalObjects, ObjectError, Objects, conformance::Site},
    store::{
        AppendCommit, MediaQuota, NewUpload, Store, UnixMs,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use nudge_proto::{MediumId, UserId};
use tempfile::TempDir;
use uuid::Uuid;

/// A directory of one store.
struct Directory(TempDir, Uuid);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Uuid::new_v4())
    }
}

#[async_trait::async_trait]
impl Site for Directory {
    async fn open(&self) -> Arc<dyn Objects> {
        Arc::new(LocalObjects::open(&self.0.path().join("objects"), self.1).await.unwrap())
    }
}

nudge_fetch::objects_conformance!(Directory::new());

#[tokio::test]
async fn a_directory_is_opened_by_its_own_store_alone() {
    let directory = Directory::new();
    directory.open().await;
    directory.open().await;
    let root = directory.0.path().join("objects");
    let refused = LocalObjects::open(&root, Uuid::new_v4()).await.unwrap_err();
    assert!(matches!(refused, ObjectError::OtherStore { .. }), "{refused}");
}

struct Media {
    _folder: TempDir,
    store: SqliteStore,
    objects: LocalObjects,
}

impl Media {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nudge.db");
        let store = SqliteStore::open(&path, &SqliteOptions::default()).await.unwrap();
        let objects =
            LocalObjects::open(&folder.path().join("objects"), Uuid::new_v4()).await.unwrap();
        Self { _folder: folder, store, objects }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    /// Five bytes in a segment, and no row.
    async fn stray(&self) -> MediumId {
        let id = MediumId::random();
        let mut segment = self.objects.open_segment(id, 1).await.unwrap();
        segment.append(Bytes::from_static(b"hello")).await.unwrap();
        segment.sync().await.unwrap();
        id
    }

    /// Five bytes in a segment, committed.
    async fn upload(&self) -> MediumId {
        let id = self.stray().await;
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
        let digest_state = turn.digest_state;
        let (fence, expires_at) = (turn.fence, UnixMs(1000));
        let commit = AppendCommit { id, fence, length: 5, offset: 5, digest_state, expires_at };
        self.store().commit_append(commit).await.unwrap();
        id
    }

    async fn finish(&self, id: MediumId) {
        let whole = [CommittedSegment { fence: 1, length: 5 }];
        self.objects.finish(id, &whole).await.unwrap();
    }
}

#[tokio::test]
async fn the_collector_removes_what_a_crash_left_and_nothing_that_lives() {
    let media = Media::open().await;
    let unfinished = media.upload().await;
    // Died after the object and before its row: its upload goes on to become visible.
    let between = media.upload().await;
    media.finish(between).await;
    let whole = media.upload().await;
    media.finish(whole).await;
    media.store().complete_upload(whole, [7; 32], UnixMs(1), UnixMs(1000)).await.unwrap();
    // Died before its segments were removed.
    let leftover = media.upload().await;
    media.store().complete_upload(leftover, [7; 32], UnixMs(1), UnixMs(1000)).await.unwrap();
    let (stray, stray_whole) = (media.stray().await, media.stray().await);
    media.finish(stray_whole).await;

    let collected = collect(media.store(), &media.objects).await.unwrap();
    assert!(collected.orphans >= 2 && collected.leftovers >= 1, "{collected:?}");
    let listing = media.objects.list().await.unwrap();
    assert!(listing.unfinished.contains(&unfinished));
    assert!(listing.finished.contains(&between) && listing.finished.contains(&whole));
    for gone in [stray, stray_whole, leftover] {
        assert!(!listing.unfinished.contains(&gone) && !listing.finished.contains(&gone));
    }
    assert_eq!(collect(media.store(), &media.objects).await.unwrap().orphans, 0);
    media.store().close().await;
}

#[tokio::test]
async fn an_empty_place_has_nothing_to_collect() {
    let media = Media::open().await;
    let collected = collect(media.store(), &media.objects).await.unwrap();
    assert_eq!(collected, Collected::default());
    media.store().close().await;
}
