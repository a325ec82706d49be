//! Objects in an object store: the suite, and what a start says of a place that cannot be used.

pub(crate) mod bucket;
mod fencing;
mod gate;
mod http;
mod memory;
mod node;
mod outages;
mod redirect;
mod resuming;
mod two_nodes;

use std::{sync::Arc, time::Instant};

use futures::future::join_all;
use nudge_fetch::objects::{
    ConnectError, Ledger, ObjectError, Objects, PlaceError, RemoteConfig, RemoteObjects,
    conformance::{Identity, Rows, Site},
};
use nudge_test_servers::S3;

use bucket::Bucket;

/// A prefix of one store.
struct Prefix {
    bucket: Bucket,
    prefix: String,
    identity: Identity,
}

impl Prefix {
    fn new() -> Self {
        let prefix = uuid::Uuid::new_v4().to_string();
        Self { bucket: Bucket::shared(), prefix, identity: Identity::default() }
    }

    async fn open_for(&self, identity: &Identity) -> Result<RemoteObjects, ObjectError> {
        open(&self.bucket.at(&self.prefix), identity).await
    }
}

#[async_trait::async_trait]
impl Site for Prefix {
    async fn open(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Objects> {
        let config = self.bucket.at(&self.prefix);
        Arc::new(RemoteObjects::open(&config, &self.identity, ledger).await.unwrap())
    }
}

nudge_fetch::objects_conformance!(Prefix::new());

async fn open(config: &RemoteConfig, identity: &Identity) -> Result<RemoteObjects, ObjectError> {
    RemoteObjects::open(config, identity, Arc::<Rows>::default()).await
}

#[tokio::test]
async fn a_prefix_is_opened_by_its_own_store_alone_and_others_are_free() {
    let (one, other) = (Prefix::new(), Prefix::new());
    for _ in 0..2 {
        one.open_for(&one.identity).await.unwrap().ping().await.unwrap();
    }
    let refused = one.open_for(&other.identity).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::OtherStore { .. })), "{refused}");
    other.open_for(&other.identity).await.unwrap();
    let refused = other.open_for(&one.identity).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::OtherStore { .. })), "{refused}");
}

#[tokio::test]
async fn a_store_opens_its_own_prefix_alone() {
    let (one, other) = (Prefix::new(), Prefix::new());
    one.open_for(&one.identity).await.unwrap();
    let refused = other.open_for(&one.identity).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Place(PlaceError::OtherPlace { .. })), "{refused}");
    other.open_for(&other.identity).await.unwrap();
}

#[tokio::test]
async fn ten_nodes_that_start_at_once_agree_on_a_prefix() {
    let prefix = Prefix::new();
    let opened = join_all((0..10).map(|_| prefix.open_for(&prefix.identity))).await;
    for objects in opened {
        objects.unwrap().ping().await.unwrap();
    }
    prefix.open_for(&prefix.identity).await.unwrap();
}

#[tokio::test]
async fn two_stores_that_take_a_prefix_at_once_never_both_have_it() {
    for _ in 0..10 {
        let prefix = Prefix::new();
        let identities: Vec<_> = (0..4).map(|_| Identity::default()).collect();
        let opening = identities.iter().map(|identity| prefix.open_for(identity));
        let opened = join_all(opening).await.iter().filter(|opened| opened.is_ok()).count();
        assert!(opened <= 1, "{opened} stores have one place");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_said_in_one_line_within_ten_seconds() {
    let bucket = Bucket::shared();
    let good = bucket.options();
    let with = |name: &str, value: &str| {
        let others = good.iter().filter(|(other, _)| other != name).cloned();
        others.chain([(name.to_owned(), value.to_owned())]).collect::<Vec<_>>()
    };
    // Something that listens and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let wrong_secret = with("aws_secret_access_key", "wrong");
    let cases = [
        ("s3://nothing-here/a", good.clone(), "there is no bucket for s3://nothing-here/a"),
        ("s3://nudge/a", wrong_secret.clone(), "refuses these credentials for s3://nudge/a"),
        ("s3://nudge/a", with("aws_endpoint", "http://127.0.0.1:1"), "does not answer"),
        ("s3://nudge/a", with("aws_endpoint", &silent), "not answer"),
        ("s3://nudge/a", with("aws_allow_http", "false"), "set AWS_ALLOW_HTTP=true"),
    ];
    for (url, options, said) in cases {
        let config = RemoteConfig::new(url, options).unwrap();
        let began = Instant::now();
        let refused = open(&config, &Identity::default()).await.unwrap_err();
        assert!(matches!(refused, ObjectError::Connect(_)), "{refused:?}");
        let refused = refused.to_string();
        assert!(refused.contains(said), "{refused}");
        assert!(!refused.contains('\n') && !refused.contains(S3::SECRET_ACCESS_KEY), "{refused}");
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
    let config = RemoteConfig::new("s3://nudge/a", wrong_secret).unwrap();
    let refused = open(&config, &Identity::default()).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Connect(ConnectError::Refused { .. })), "{refused}");
}

#[tokio::test]
async fn google_and_azure_are_configured_by_their_urls() {
    let account = [
        ("azure_storage_account_name", "devaccount"),
        ("azure_storage_account_key", "c2VjcmV0"),
        ("azure_storage_endpoint", "http://127.0.0.1:1"),
        ("azure_storage_allow_http", "true"),
        ("azure_allow_http", "true"),
    ];
    let key = r#"{"gcs_base_url": "http://127.0.0.1:1", "disable_oauth": true,
        "client_email": "", "private_key": "", "private_key_id": ""}"#;
    let google = [("google_service_account_key", key), ("google_allow_http", "true")];
    for (url, options) in [("az://container/a", &account[..]), ("gs://bucket/a", &google)] {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let config = RemoteConfig::new(url, options.iter().map(owned).collect()).unwrap();
        let refused = open(&config, &Identity::default()).await.unwrap_err();
        let is_tried = matches!(
            refused,
            ObjectError::Connect(ConnectError::Unreachable { .. } | ConnectError::Silent { .. })
        );
        assert!(is_tried, "{refused}");
    }
}
