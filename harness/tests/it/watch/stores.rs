//! A signal node that is given the fetch nodes of two stores.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use nudge_fetch::{Fetch, FetchConfig};
use nudge_harness::{Api, FaultProxy, Peer, system::PASSWORD};
use nudge_proto::{ClientMessageId, frame::ServerFrame};
use nudge_signal::{GrpcWatch, GrpcWatchConfig, Listen, Signal, SignalConfig};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// A whole system of its own, without signaling.
struct Store {
    fetch: Fetch,
    proxy: FaultProxy,
    _folder: TempDir,
}

impl Store {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fetch = Fetch::start(FetchConfig::new(folder.path().to_owned())).await.unwrap();
        let proxy = FaultProxy::start(fetch.private_addr()).await.unwrap();
        Self { fetch, proxy, _folder: folder }
    }

    async fn person(&self, handle: &str) -> Api {
        let mut api = Api::new(format!("http://{}", self.fetch.public_addr())).unwrap();
        api.sign_up(handle, PASSWORD).await.unwrap();
        api
    }
}

fn signal_of(stores: [&Store; 2]) -> Signal {
    let url = |store: &Store| format!("http://{}", store.proxy.address()).parse().unwrap();
    let watch =
        GrpcWatchConfig { fetch: stores.map(url).into(), secret: None, tls: None, name: None };
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = SignalConfig { tcp: Some(Listen::Address(free)), ..SignalConfig::default() };
    Signal::start(config, Arc::new(GrpcWatch::connect(watch).unwrap())).unwrap()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), poll).await.unwrap_or_else(|_| panic!("waited for: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_fetch_node_of_another_store_is_told_nothing_and_serves_nobody() {
    let (ours, other) = (Store::start().await, Store::start().await);
    // The first one decides, so the other is away at first.
    other.proxy.refuse();
    let signal = signal_of([&ours, &other]);
    until("a watch", || signal.stats().watch_is_up).await;
    let bob = ours.person("bob").await;
    let mut phone = Peer::connect(signal.tcp_addr().unwrap(), None).await.unwrap();
    phone.join(bob.session()).await.unwrap();
    until("a session", || ours.fetch.hub().held_sessions() == 1).await;

    // Now only the other one is to be had.
    other.proxy.restore();
    ours.proxy.refuse();
    let other_store = || signal.watch_trouble().is_some_and(|why| why.contains("another store"));
    until("the other store is noticed", other_store).await;
    assert_eq!(other.fetch.hub().held_sessions(), 0, "it was told of our users");
    let stranger = other.person("eve").await;
    let mut strange = Peer::connect(signal.tcp_addr().unwrap(), None).await.unwrap();
    // Its tickets are made with keys that are not ours.
    let refused = timeout(Duration::from_secs(20), strange.join(stranger.session())).await.unwrap();
    assert!(refused.is_err(), "{refused:?}");

    // Ours is back, and whoever was there is served as if nothing had been.
    ours.proxy.restore();
    until("our store again", || signal.stats().watch_is_up).await;
    let warning = signal.watch_warning().unwrap();
    assert!(warning.contains("serves another store"), "{warning}");
    let ada = ours.person("ada").await;
    let conversation = ada.direct(&bob.user().id).await.unwrap().id;
    ada.send_text(&conversation, ClientMessageId::random(), "still here").await.unwrap();
    let noticed = async {
        loop {
            if let ServerFrame::Notice(notice) = phone.hear().await.unwrap().unwrap().frame {
                break notice.head.0;
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), noticed).await.unwrap(), 1);
    assert_eq!(other.fetch.hub().held_sessions(), 0);
    signal.abort().await;
    ours.fetch.shutdown().await;
    other.fetch.shutdown().await;
}
