//! What an upload refuses, each with its code, and what stands afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use nudge_fetch::{
    FetchParts,
    objects::{
        ByteStream, Found, FoundStream, Layout, LocalObjects, Multipart, ObjectError, ObjectName,
        Objects, Unfinished, Writer, conformance::Identity,
    },
};
use nudge_proto::MediumId;
use reqwest::{Method, RequestBuilder};
use sha1::Digest;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::support::{Service, User, answer, header, noise, sha256_hex};

async fn assert_refused(request: RequestBuilder, status: u16, code: &str) {
    let (given, problem) = answer(request).await;
    assert_eq!((given.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
}

/// An upload of 10 bytes that stands at 4.
async fn standing_at_4(user: &User<'_>) -> String {
    let path = user.create_upload(10, &[]).await;
    let response = user.append(&path, 0, noise(4)).send().await.unwrap();
    assert_eq!(response.status(), 204);
    path
}

#[tokio::test]
async fn bytes_at_another_offset_are_refused_with_the_right_one() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    for offset in [0, 3, 5, 10, 11] {
        let response = ada.append(&path, offset, noise(2)).send().await.unwrap();
        assert_eq!(response.status(), 409);
        assert_eq!(header(&response, "upload-offset"), "4");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "offset_mismatch");
    }
    assert_eq!(ada.upload_offset(&path).await, 4);
}

#[tokio::test]
async fn headers_that_say_nothing_are_refused() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    let patch = || {
        let patch = ada.tus(Method::PATCH, &path).body(noise(2));
        patch.header("content-type", "application/offset+octet-stream")
    };
    for offset in ["", "-1", "+4", "4.0", "0x4", "99999999999999999999", "four"] {
        let request = patch().header("upload-offset", offset);
        assert_refused(request, 400, "invalid_request").await;
    }
    assert_refused(patch(), 400, "invalid_request").await;
    let json = ada.tus(Method::PATCH, &path).header("upload-offset", 4).body(noise(2));
    assert_refused(json.header("content-type", "text/plain"), 415, "content_type_unsupported")
        .await;
    let create = || ada.tus(Method::POST, "/v1/uploads");
    assert_refused(create(), 400, "invalid_request").await;
    assert_refused(create().header("upload-length", "ten"), 400, "invalid_request").await;
    assert_refused(create().header("upload-defer-length", "1"), 400, "invalid_request").await;
    for metadata in ["filename not-base64!", "sha256 YWJj", "request_id YWJj"] {
        let request = create().header("upload-length", 10).header("upload-metadata", metadata);
        assert_refused(request, 400, "invalid_request").await;
    }
    assert_refused(create().header("upload-length", (4u64 << 30) + 1), 413, "request_too_large")
        .await;
    assert_eq!(ada.upload_offset(&path).await, 4);
}

#[tokio::test]
async fn another_version_of_tus_is_refused_with_the_one_that_is_spoken() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    for version in [None, Some("0.2.2"), Some("1.0.1")] {
        let mut request = ada.request(Method::PATCH, &path);
        if let Some(version) = version {
            request = request.header("tus-resumable", version);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 412);
        assert_eq!(header(&response, "tus-version"), "1.0.0");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "upload_version_unsupported");
    }
}

#[tokio::test]
async fn p6_a_body_without_its_checksum_leaves_nothing() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    let bytes = noise(6);
    let sha1 = STANDARD.encode(sha1::Sha1::digest(&bytes));
    let sha256 = STANDARD.encode(sha2::Sha256::digest(&bytes));
    let append =
        |checksum: String| ada.append(&path, 4, bytes.clone()).header("upload-checksum", checksum);
    let wrong = STANDARD.encode(sha1::Sha1::digest(b"other"));
    assert_refused(append(format!("sha1 {wrong}")), 460, "checksum_mismatch").await;
    assert_eq!(ada.upload_offset(&path).await, 4);
    for unreadable in ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1", "sha1 YWJj", "sha256 !"] {
        assert_refused(append(unreadable.to_owned()), 400, "invalid_request").await;
    }
    assert_eq!(append(format!("sha1 {sha1}")).send().await.unwrap().status(), 204);
    let path = standing_at_4(&ada).await;
    let append = ada.append(&path, 4, bytes).header("upload-checksum", format!("sha256 {sha256}"));
    assert_eq!(append.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn p6_a_medium_that_is_not_what_was_declared_never_becomes_visible() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let sha256 = sha256_hex(&noise(10));
    let path = ada.create_upload(10, &[("sha256", &sha256)]).await;
    ada.append(&path, 0, noise(10)[..4].to_vec()).send().await.unwrap();
    assert_refused(ada.append(&path, 4, noise(6)), 460, "checksum_mismatch").await;
    let gone = ada.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(gone.status(), 404, "the upload was removed");
    let medium = path.replace("uploads", "media");
    assert_refused(ada.request(Method::GET, &medium), 404, "not_found").await;
}

#[tokio::test]
async fn a_body_beyond_the_declared_length_is_refused() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    assert_refused(ada.append(&path, 4, noise(7)), 413, "request_too_large").await;
    // One whose length is not known beforehand.
    let pieces = futures::stream::iter([noise(5), noise(5)].map(Ok::<_, std::io::Error>));
    let chunked = ada.append(&path, 4, reqwest::Body::wrap_stream(pieces));
    assert_refused(chunked, 413, "request_too_large").await;
    let offset = ada.upload_offset(&path).await;
    assert!(offset < 10, "what does not fit completes nothing: {offset}");
}

#[tokio::test]
async fn an_upload_past_its_time_is_expired() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = standing_at_4(&ada).await;
    service.advance_s(8 * 24 * 3600 + 1);
    let ada = service.log_in("ada").await;
    let head = ada.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), 410);
    assert_refused(ada.append(&path, 4, noise(6)), 410, "upload_expired").await;
}

#[tokio::test]
async fn p8_an_upload_of_somebody_else_is_not_there() {
    let service = Service::start().await;
    let (ada, eve) = (service.user("ada").await, service.user("eve").await);
    let path = standing_at_4(&ada).await;
    let unknown = format!("/v1/uploads/{}", Uuid::new_v4());
    for path in [&path, &unknown] {
        let head = eve.tus(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), 404);
        assert_refused(eve.append(path, 4, noise(6)), 404, "not_found").await;
        assert_refused(eve.tus(Method::DELETE, path), 404, "not_found").await;
    }
    assert_refused(eve.tus(Method::DELETE, "/v1/uploads/nonsense"), 400, "invalid_request").await;
    assert_eq!(ada.upload_offset(&path).await, 4);
}

#[tokio::test]
async fn quotas_are_told_before_a_byte_is_sent() {
    let change = |config: &mut nudge_fetch::FetchConfig| {
        config.quota.bytes = 100;
        config.quota.unfinished = 2;
    };
    let service = Service::start_with(change, FetchParts::default()).await;
    let ada = service.user("ada").await;
    assert_refused(ada.creation(101, &[]), 413, "quota_exceeded").await;
    ada.create_upload(1, &[]).await;
    ada.create_upload(1, &[]).await;
    assert_refused(ada.creation(1, &[]), 409, "limit_reached").await;
}

/// Objects on a disk that has only so much room.
#[derive(Clone, Debug)]
struct SmallDisk {
    inner: Arc<LocalObjects>,
    room: Arc<AtomicU64>,
    /// How often a medium was put together.
    finishes: Arc<AtomicU64>,
    /// Held shut while that is to take long.
    gate: Arc<Semaphore>,
}

impl SmallDisk {
    async fn open(folder: &TempDir, room: u64) -> Self {
        Self {
            inner: Arc::new(LocalObjects::open(folder.path(), &Identity::default()).await.unwrap()),
            room: Arc::new(AtomicU64::new(room)),
            finishes: Arc::default(),
            gate: Arc::new(Semaphore::new(1)),
        }
    }

    async fn serve(&self) -> Service {
        let objects: Arc<dyn Objects> = Arc::new(self.clone());
        let parts = FetchParts { objects: Some(objects), ..FetchParts::default() };
        Service::start_with(|_| {}, parts).await
    }
}

#[derive(Debug)]
struct SmallWriter {
    inner: Box<dyn Writer>,
    room: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl Writer for SmallWriter {
    fn room(&self) -> u64 {
        self.inner.room()
    }

    async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        let length = bytes.len() as u64;
        let take = |room: u64| room.checked_sub(length);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(ObjectError::Full);
        }
        self.inner.append(bytes).await
    }

    async fn sync(&mut self) -> Result<Option<Layout>, ObjectError> {
        self.inner.sync().await
    }

    async fn committed(&mut self) {
        self.inner.committed().await;
    }

    async fn give_back(&mut self) -> Result<(), ObjectError> {
        self.inner.give_back().await
    }
}

#[async_trait::async_trait]
impl Objects for SmallDisk {
    async fn write(&self, upload: Unfinished) -> Result<Box<dyn Writer>, ObjectError> {
        let inner = self.inner.write(upload).await?;
        Ok(Box::new(SmallWriter { inner, room: Arc::clone(&self.room) }))
    }

    async fn finish(
        &self,
        id: MediumId,
        size: u64,
        layout: &Layout,
    ) -> Result<ObjectName, ObjectError> {
        self.finishes.fetch_add(1, Ordering::Relaxed);
        let _gate = self.gate.acquire().await;
        self.inner.finish(id, size, layout).await
    }

    async fn read(
        &self,
        id: MediumId,
        object: &ObjectName,
        range: std::ops::Range<u64>,
    ) -> Result<ByteStream, ObjectError> {
        self.inner.read(id, object, range).await
    }

    async fn tidy(
        &self,
        id: MediumId,
        layout: &Layout,
        object: &ObjectName,
    ) -> Result<(), ObjectError> {
        self.inner.tidy(id, layout, object).await
    }

    async fn remove(&self, found: &Found) -> Result<(), ObjectError> {
        self.inner.remove(found).await
    }

    async fn delete(&self, id: MediumId) -> Result<(), ObjectError> {
        self.inner.delete(id).await
    }

    async fn list(&self) -> Result<FoundStream, ObjectError> {
        self.inner.list().await
    }

    async fn ping(&self) -> Result<(), ObjectError> {
        self.inner.ping().await
    }

    async fn abort(&self, id: MediumId, multipart: &Multipart) -> Result<(), ObjectError> {
        self.inner.abort(id, multipart).await
    }
}

#[tokio::test]
async fn p6_a_full_disk_keeps_what_it_took_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::open(&folder, 1 << 20).await;
    let service = disk.serve().await;
    let ada = service.user("ada").await;
    let bytes = noise(3 << 20);
    let path = ada.create_upload(3 << 20, &[]).await;
    assert_refused(ada.append(&path, 0, bytes.clone()), 507, "storage_full").await;
    let offset = ada.upload_offset(&path).await;
    assert!(offset > 0 && offset <= 1 << 20, "{offset} bytes were kept");
    assert_eq!(ada.get("/v1/me").await.0, 200, "the server goes on");
    disk.room.store(4 << 20, Ordering::Relaxed);
    let rest = bytes[offset as usize..].to_vec();
    assert_eq!(ada.append(&path, offset, rest).send().await.unwrap().status(), 204);
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
}

#[tokio::test]
async fn p6_a_medium_is_put_together_once_however_many_ask() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::open(&folder, 1 << 20).await;
    let service = disk.serve().await;
    let ada = service.user("ada").await;
    let path = ada.create_upload(10, &[]).await;
    disk.gate.forget_permits(1);
    // Its client is gone before it ends.
    let append = ada.append(&path, 0, noise(10)).timeout(Duration::from_millis(300));
    assert!(append.send().await.unwrap_err().is_timeout());
    let heads = futures::future::join_all((0..8).map(|_| ada.upload_offset(&path)));
    let open = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        disk.gate.add_permits(1);
    };
    let (offsets, ()) = futures::future::join(heads, open).await;
    assert_eq!(offsets, [10; 8], "what looks complete is");
    assert_eq!(disk.finishes.load(Ordering::Relaxed), 1);
    assert_eq!(ada.download(path.rsplit('/').next().unwrap()).await, noise(10));
}

#[tokio::test]
async fn p5_bytes_that_were_refused_take_no_room() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1 << 20);
    let path = ada.create_upload(2 << 20, &[]).await;
    assert_eq!(ada.append(&path, 0, noise(100)).send().await.unwrap().status(), 204);
    let wrong = STANDARD.encode(sha1::Sha1::digest(b"other bytes"));
    for _ in 0..3 {
        let append = ada.append(&path, 100, bytes.clone());
        let append = append.header("upload-checksum", format!("sha1 {wrong}"));
        assert_refused(append, 460, "checksum_mismatch").await;
    }
    let kept = service.folder().join("objects").join(path.trim_start_matches("/v1/"));
    let files = std::fs::read_dir(kept).unwrap().map(|file| file.unwrap().metadata().unwrap());
    assert_eq!(files.map(|file| file.len()).sum::<u64>(), 100);
    // A body that is too long is committed up to some step, and no byte beyond stays.
    let pieces =
        futures::stream::iter([noise(1 << 20), noise(1 << 20)].map(Ok::<_, std::io::Error>));
    let overlong = ada.append(&path, 100, reqwest::Body::wrap_stream(pieces));
    assert_refused(overlong, 413, "request_too_large").await;
    let kept = service.folder().join("objects").join(path.trim_start_matches("/v1/"));
    let files = std::fs::read_dir(kept).unwrap().map(|file| file.unwrap().metadata().unwrap());
    assert_eq!(files.map(|file| file.len()).sum::<u64>(), ada.upload_offset(&path).await);
}

#[tokio::test]
async fn an_upload_that_makes_progress_has_its_time_anew() {
    let service = Service::start().await;
    let mut ada = service.user("ada").await;
    let path = ada.create_upload(10, &[]).await;
    for offset in 0..4 {
        service.advance_s(7 * 24 * 3600);
        ada = service.log_in("ada").await;
        assert_eq!(ada.append(&path, offset, noise(1)).send().await.unwrap().status(), 204);
    }
}
