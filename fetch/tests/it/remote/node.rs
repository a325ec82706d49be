//! Nodes that share a database and a bucket, each a runtime of its own that can be killed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use nudge_fetch::{
    Clock,
    media::{Creation, MediaError, MediaLimits, UploadBody, Uploads, tus::Metadata},
    objects::{self, Objects, ObjectsConfig, RemoteConfig},
    store::{
        MediaQuota, NewAccount, Store, Upload,
        postgres::{PostgresOptions, PostgresStore},
    },
};
use nudge_proto::{MediumId, RequestId, UserId};
use nudge_test_servers::Postgres;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::bucket::Bucket;

/// A database and a prefix, and who uploads there.
#[derive(Clone)]
pub(super) struct Ground {
    database: PostgresOptions,
    pub(super) bucket: Bucket,
    prefix: String,
    pub(super) owner_id: UserId,
}

impl Ground {
    pub(super) fn new() -> Self {
        Self {
            database: PostgresOptions {
                connections: 4,
                writers: 1,
                ..PostgresOptions::new(Postgres::shared().database())
            },
            bucket: Bucket::shared(),
            prefix: Uuid::new_v4().to_string(),
            owner_id: UserId::random(),
        }
    }

    /// A node that reaches the bucket its own way.
    pub(super) async fn start(&self, bucket: &Bucket) -> Node {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (database, config) = (self.database.clone(), bucket.at(&self.prefix));
        let opening = async move {
            let store = PostgresStore::open(&database).await.unwrap();
            open(Arc::new(store), config).await
        };
        let (store, objects) = runtime.spawn(opening).await.unwrap();
        let uploads =
            Uploads::new(Arc::clone(&store), Arc::clone(&objects), Clock::system(), limits());
        let runtime = Some(runtime);
        Node { runtime, uploads, objects, store, owner_id: self.owner_id }
    }

    /// What happens to the database behind the nodes' back.
    pub(super) fn sql(&self, statement: &str) {
        let name = self.database.url.rsplit('/').next().unwrap();
        Postgres::shared().run_sql_in(name, statement).unwrap();
    }

    /// Makes the owner.
    pub(super) async fn register(&self, node: &Node) {
        let account = NewAccount {
            user_id: self.owner_id,
            request_id: RequestId::random(),
            handle: "ada".parse().unwrap(),
            display_name: "Ada".to_owned(),
            password_hash: None,
            now: Clock::system().now(),
        };
        let store = Arc::clone(&node.store);
        node.run(async move { store.create_account(account).await }).await.unwrap();
    }
}

async fn open(store: Arc<dyn Store>, config: RemoteConfig) -> (Arc<dyn Store>, Arc<dyn Objects>) {
    let config = ObjectsConfig::Remote(config);
    let nowhere = std::path::Path::new("/nonexistent");
    let objects = objects::open(&config, nowhere, &store).await.unwrap();
    (store, objects)
}

fn limits() -> MediaLimits {
    MediaLimits {
        size_max: 1 << 30,
        quota: MediaQuota { bytes: 1 << 40, unfinished: 1000 },
        upload_time: Duration::from_secs(3600),
        media_days: None,
        idle_max: Duration::from_secs(20),
    }
}

/// A node.
pub(super) struct Node {
    runtime: Option<Runtime>,
    pub(super) uploads: Uploads,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) store: Arc<dyn Store>,
    owner_id: UserId,
}

impl Node {
    /// Does something on the node's own runtime.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    pub(super) async fn create(&self, bytes: &[u8]) -> MediumId {
        let sha256 = <sha2::Sha256 as sha2::Digest>::digest(bytes).into();
        let metadata = Metadata { sha256: Some(sha256), ..Metadata::default() };
        let (uploads, owner_id, size) = (self.uploads.clone(), self.owner_id, bytes.len() as u64);
        let creation = Creation { size, metadata };
        self.run(async move { uploads.create(owner_id, creation).await }).await.unwrap().0.id
    }

    pub(super) async fn state(&self, id: MediumId) -> Result<Upload, MediaError> {
        let (uploads, owner_id) = (self.uploads.clone(), self.owner_id);
        self.run(async move { uploads.state(owner_id, id).await }).await
    }

    /// Begins to append; it goes on by itself.
    pub(super) fn append(
        &self,
        id: MediumId,
        offset: u64,
        body: UploadBody,
    ) -> tokio::task::JoinHandle<Result<Upload, MediaError>> {
        let (uploads, owner_id) = (self.uploads.clone(), self.owner_id);
        let append = async move { uploads.append(owner_id, id, offset, None, None, body).await };
        self.runtime.as_ref().unwrap().spawn(append)
    }

    pub(super) async fn download(&self, id: MediumId) -> Vec<u8> {
        let (store, objects) = (Arc::clone(&self.store), Arc::clone(&self.objects));
        let owner_id = self.owner_id;
        self.run(async move {
            let medium = store.medium(owner_id, id, Clock::system().now()).await.unwrap();
            let read = objects.read(id, &medium.object, 0..medium.size).await.unwrap();
            read.try_collect::<Vec<Bytes>>().await.unwrap().concat()
        })
        .await
    }

    /// Nothing that it was about goes on.
    pub(super) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A body that brings these bytes, in pieces.
pub(super) fn body(bytes: &[u8]) -> UploadBody {
    let pieces: Vec<_> =
        bytes.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

/// The same, and then nothing.
pub(super) fn body_without_end(bytes: &[u8]) -> UploadBody {
    body(bytes).chain(stream::pending()).boxed()
}
