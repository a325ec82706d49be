//! A running service, and users to talk to it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use nudge_fetch::{
    Clock, Fetch, FetchConfig, FetchParts,
    objects::ObjectsConfig,
    store::{Database, UnixMs, postgres::PostgresOptions},
};
use nudge_test_servers::Postgres;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::remote::bucket::Bucket;

pub(crate) struct Service {
    pub(crate) fetch: Fetch,
    pub(crate) http: Client,
    scheme: &'static str,
    heartbeat: Duration,
    clock_ms: Arc<AtomicU64>,
    folder: TempDir,
    database: Database,
    objects: ObjectsConfig,
}

/// Names the store that services are started on: `postgres`, or none for SQLite.
pub(crate) const STORE_VARIABLE: &str = "NUDGE_TEST_STORE";

fn new_database() -> Database {
    match std::env::var(STORE_VARIABLE).as_deref() {
        Ok("postgres") => Database::Postgres(PostgresOptions::new(Postgres::shared().database())),
        Ok(other) => panic!("{STORE_VARIABLE}={other}: only postgres is known"),
        Err(_) => Database::default(),
    }
}

/// Names the place that media are put in: `s3`, or none for a folder.
pub(crate) const OBJECTS_VARIABLE: &str = "NUDGE_TEST_OBJECTS";

fn new_objects() -> ObjectsConfig {
    match std::env::var(OBJECTS_VARIABLE).as_deref() {
        Ok("s3") => ObjectsConfig::Remote(Bucket::shared().at(&Uuid::new_v4().to_string())),
        Ok(other) => panic!("{OBJECTS_VARIABLE}={other}: only s3 is known"),
        Err(_) => ObjectsConfig::default(),
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}, FetchParts::default()).await
    }

    pub(crate) async fn start_with(
        change: impl FnOnce(&mut FetchConfig),
        parts: FetchParts,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock_ms = Arc::new(AtomicU64::new(1_800_000_000_000));
        Self::start_in(folder, (new_database(), new_objects()), clock_ms, change, parts).await
    }

    /// A node on a database, with a clock of its own or that of another node.
    pub(crate) async fn start_on(
        database: Database,
        clock_ms: Option<Arc<AtomicU64>>,
        change: impl FnOnce(&mut FetchConfig),
        parts: FetchParts,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock_ms = clock_ms.unwrap_or_else(|| Arc::new(AtomicU64::new(1_800_000_000_000)));
        let places = (database, ObjectsConfig::default());
        Self::start_in(folder, places, clock_ms, change, parts).await
    }

    /// For another node.
    pub(crate) fn clock_ms(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clock_ms)
    }

    async fn start_in(
        folder: TempDir,
        (database, objects): (Database, ObjectsConfig),
        clock_ms: Arc<AtomicU64>,
        change: impl FnOnce(&mut FetchConfig),
        parts: FetchParts,
    ) -> Self {
        let mut config = FetchConfig::new(folder.path().to_owned());
        config.database = database;
        config.objects = objects;
        change(&mut config);
        let is_postgres = matches!(config.database, Database::Postgres(_));
        if is_postgres && config.objects == ObjectsConfig::InDataDir {
            let path = config.objects_path();
            config.objects = ObjectsConfig::Directory { path, is_shared: true };
        }
        let (database, objects) = (config.database.clone(), config.objects.clone());
        let heartbeat = config.heartbeat;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let told = Arc::clone(&clock_ms);
        let clock = Clock::new(move || UnixMs(told.fetch_add(1, Ordering::Relaxed)));
        let fetch = Fetch::start_with(config, FetchParts { clock, ..parts }).await.unwrap();
        Self { fetch, http: Client::new(), scheme, heartbeat, clock_ms, folder, database, objects }
    }

    /// Stops, and starts again on what was left.
    pub(crate) async fn restart(self) -> Self {
        let Self { fetch, clock_ms, folder, database, objects, .. } = self;
        fetch.shutdown().await;
        Self::start_in(folder, (database, objects), clock_ms, |_| {}, FetchParts::default()).await
    }

    /// Where everything lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn advance_s(&self, seconds: u64) {
        self.clock_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Within which everything is told.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.fetch.public_addr())
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.http.post(self.url(path)).json(&body)).await
    }

    /// A registered user, logged in on one device.
    pub(crate) async fn user(&self, handle: &str) -> User<'_> {
        let account = json!({
            "request_id": Uuid::new_v4(), "handle": handle, "password": "correct horse",
        });
        let (status, account) = self.post("/v1/accounts", account).await;
        assert_eq!(status, 201, "{account}");
        self.log_in(handle).await
    }

    /// Another device of a user.
    pub(crate) async fn log_in(&self, handle: &str) -> User<'_> {
        let login = json!({
            "device_id": Uuid::new_v4(), "handle": handle, "password": "correct horse",
        });
        let (status, session) = self.post("/v1/sessions", login).await;
        assert_eq!(status, 201, "{session}");
        User { service: self, id: text(&session["user"]["id"]), session }
    }

    /// The same user and device, after a restart.
    pub(crate) fn again(&self, session: Value) -> User<'_> {
        User { service: self, id: text(&session["user"]["id"]), session }
    }
}

pub(crate) struct User<'s> {
    service: &'s Service,
    pub(crate) id: String,
    pub(crate) session: Value,
}

impl User<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let token = self.session["access_token"].as_str().unwrap();
        self.service.http.request(method, self.service.url(path)).bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        answer(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn direct(&self, other: &User<'_>) -> String {
        let body = json!({ "kind": "direct", "member_ids": [other.id] });
        let (status, conversation) = self.send_json(Method::POST, "/v1/conversations", body).await;
        assert!(status.is_success(), "{conversation}");
        text(&conversation["id"])
    }

    pub(crate) async fn group(&self, others: &[&User<'_>]) -> String {
        let members: Vec<_> = others.iter().map(|user| &user.id).collect();
        let body = json!({
            "kind": "group", "member_ids": members, "title": "Friends",
            "request_id": Uuid::new_v4(),
        });
        let (status, conversation) = self.send_json(Method::POST, "/v1/conversations", body).await;
        assert_eq!(status, 201, "{conversation}");
        text(&conversation["id"])
    }

    /// Sends a text under a client-made id.
    pub(crate) async fn send_as(
        &self,
        conversation: &str,
        client_id: Uuid,
        words: &str,
    ) -> (StatusCode, Value) {
        let path = format!("/v1/conversations/{conversation}/messages/{client_id}");
        let body = json!({ "content_type": "text/plain", "body": base64(words) });
        self.send_json(Method::PUT, &path, body).await
    }

    pub(crate) async fn send(&self, conversation: &str, words: &str) -> Value {
        let (status, sent) = self.send_as(conversation, Uuid::new_v4(), words).await;
        assert_eq!(status, 201, "{sent}");
        sent
    }

    /// The inbox page after a number.
    pub(crate) async fn inbox(&self, after: u64) -> Value {
        let (status, page) = self.get(&format!("/v1/inbox?after=1.{after}")).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    /// The texts in the inbox after a number.
    pub(crate) async fn texts(&self, after: u64) -> Vec<String> {
        let page = self.inbox(after).await;
        let entries = page["entries"].as_array().unwrap().iter();
        entries.filter_map(|entry| entry.get("message")).map(words).collect()
    }

    pub(crate) async fn ack(&self, seq: u64) -> (StatusCode, Value) {
        let body = json!({ "cursor": format!("1.{seq}") });
        self.send_json(Method::POST, "/v1/inbox/ack", body).await
    }
}

/// Time that passes only when the test says so, for all timers of its runtime.
///
/// Paused time jumps to the next timer when the runtime has nothing to do, and waiting for the
/// database's thread looks like that; a blocking task keeps it from jumping. When a test hangs, the task
/// ends, time runs away, and the test's own timeouts fail it.
pub(crate) struct StoppedTime(
    #[expect(dead_code, reason = "its end ends the task")] mpsc::Sender<()>,
);

impl StoppedTime {
    pub(crate) fn start() -> Self {
        tokio::time::pause();
        let (running, end) = mpsc::channel();
        tokio::task::spawn_blocking(move || end.recv_timeout(Duration::from_secs(20)));
        Self(running)
    }

    /// In steps, between which the database's thread gets its turn.
    pub(crate) async fn pass(&self, time: Duration) {
        for _ in 0..STEPS {
            tokio::time::advance(time / STEPS).await;
            Self::turn().await;
        }
    }

    /// Waits, while the time stands still, for what other threads have to do first.
    pub(crate) async fn until(&self, holds: impl AsyncFn() -> bool) {
        for _ in 0..1000 {
            if holds().await {
                return;
            }
            Self::turn().await;
        }
        panic!("it never came to be");
    }

    async fn turn() {
        let turn = || std::thread::sleep(Duration::from_millis(15));
        tokio::task::spawn_blocking(turn).await.unwrap();
    }
}

const STEPS: u32 = 24;

/// Uploads by tus.
impl User<'_> {
    pub(crate) fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("tus-resumable", "1.0.0")
    }

    /// A request that makes an upload.
    pub(crate) fn creation(&self, size: u64, metadata: &[(&str, &str)]) -> RequestBuilder {
        let pairs = metadata.iter().map(|(key, value)| format!("{key} {}", base64(value)));
        self.tus(Method::POST, "/v1/uploads")
            .header("upload-length", size)
            .header("upload-metadata", pairs.collect::<Vec<_>>().join(","))
    }

    /// Makes an upload; its path.
    pub(crate) async fn create_upload(&self, size: u64, metadata: &[(&str, &str)]) -> String {
        let response = self.creation(size, metadata).send().await.unwrap();
        assert_eq!(response.status(), 201);
        header(&response, "location")
    }

    /// A request that continues an upload.
    pub(crate) fn append(
        &self,
        path: &str,
        offset: u64,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        self.tus(Method::PATCH, path)
            .header("upload-offset", offset)
            .header("content-type", "application/offset+octet-stream")
            .body(body)
    }

    /// Uploads all of it in one request; the medium's id.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let metadata = [("filename", name), ("content_type", "image/jpeg")];
        let path = self.create_upload(bytes.len() as u64, &metadata).await;
        if !bytes.is_empty() {
            let response = self.append(&path, 0, bytes.to_vec()).send().await.unwrap();
            assert_eq!(response.status(), 204);
        }
        path.rsplit('/').next().unwrap().to_owned()
    }

    /// How far an upload is.
    pub(crate) async fn upload_offset(&self, path: &str) -> u64 {
        let response = self.tus(Method::HEAD, path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        header(&response, "upload-offset").parse().unwrap()
    }

    pub(crate) async fn download(&self, medium: &str) -> Vec<u8> {
        let response =
            self.request(Method::GET, &format!("/v1/media/{medium}")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }
}

/// A certificate for loopback: what the service takes, and what a client trusts.
pub(crate) fn self_signed() -> (Arc<rustls::ServerConfig>, Certificate) {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Arc::new(tls), Certificate::from_der(made.cert.der()).unwrap())
}

/// A header that must be there.
pub(crate) fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", response.headers()));
    value.to_str().unwrap().to_owned()
}

/// Bytes that are not all the same, for any length.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub(crate) fn base64(words: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(words)
}

fn words(message: &Value) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    String::from_utf8(STANDARD.decode(text(&message["body"])).unwrap()).unwrap()
}
