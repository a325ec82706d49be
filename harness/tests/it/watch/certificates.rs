//! Who may open a watch: certificates of the operator's own.

use std::sync::Arc;

use futures::StreamExt;
use nudge_fetch::{Fetch, FetchConfig, FetchError, config::WatchGuard, private_tls};
use nudge_proto::watch::{Watch, WatchError};
use nudge_signal::{Certificates, GrpcWatch, GrpcWatchConfig, watch_tls};

/// A certificate that is its own authority, and its key.
struct Identity {
    pem: String,
    certificates: Arc<Certificates>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let certificates = Certificates::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
        Self { pem, certificates: Arc::new(certificates) }
    }
}

#[tokio::test]
async fn p8_a_watch_is_opened_to_a_certificate_of_the_operators_authority_alone() {
    let (server, signal, stranger) = (Identity::new(), Identity::new(), Identity::new());
    let folder = tempfile::tempdir().unwrap();
    let tls = private_tls(server.certificates, Some(signal.pem.as_bytes())).unwrap();
    let fetch = Fetch::start(FetchConfig {
        private_tls: Some(tls),
        watch_guard: WatchGuard { certificate: true, ..WatchGuard::default() },
        ..FetchConfig::new(folder.path().to_owned())
    })
    .await
    .unwrap();
    let open = async |shown: Option<Arc<Certificates>>| {
        let config = GrpcWatchConfig {
            fetch: vec![format!("https://{}", fetch.private_addr()).parse().unwrap()],
            name: None,
            secret: None,
            tls: Some(watch_tls(server.pem.as_bytes(), shown).unwrap()),
        };
        let watch = GrpcWatch::connect(config).unwrap();
        watch.open(futures::stream::pending().boxed()).await.err()
    };
    assert_eq!(open(Some(signal.certificates)).await, None);
    let Some(WatchError::Refused(why)) = open(None).await else { panic!("it was opened") };
    assert!(why.contains("certificate"), "{why}");
    let Some(WatchError::Unavailable(_)) = open(Some(stranger.certificates)).await else {
        panic!("it was opened to a stranger")
    };
    fetch.shutdown().await;
}

#[tokio::test]
async fn p8_a_private_listener_that_others_can_reach_asks_for_something() {
    let folder = tempfile::tempdir().unwrap();
    let config = FetchConfig {
        private: ([0, 0, 0, 0], 0).into(),
        ..FetchConfig::new(folder.path().to_owned())
    };
    let Err(FetchError::OpenWatch(_)) = Fetch::start(config.clone()).await else {
        panic!("it listens for everybody")
    };
    let watch_guard = WatchGuard { certificate: true, ..WatchGuard::default() };
    let Err(FetchError::NoTls) = Fetch::start(FetchConfig { watch_guard, ..config }).await else {
        panic!("it asks for a certificate that nobody can show")
    };
}
