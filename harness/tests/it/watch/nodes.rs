//! Two fetch nodes on one database, and signal nodes between them.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use nudge_fetch::{
    Fetch, FetchConfig,
    objects::ObjectsConfig,
    store::{Database, postgres::PostgresOptions},
};
use nudge_harness::{Api, FaultProxy, Peer, system::PASSWORD};
use nudge_proto::{
    ClientMessageId, CloseCode,
    frame::{ClientFrame, ServerFrame},
    limits::{WATCH_PING_INTERVAL, WATCH_PING_TIMEOUT},
};
use nudge_signal::{
    GrpcWatch, GrpcWatchConfig, Listen, Signal, SignalConfig, limits::WATCH_RETRY_MIN,
};
use nudge_test_servers::Postgres;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::SLACK;

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_fetch_node_that_stops_hands_its_watch_over_without_a_gap() {
    let mut cluster = Cluster::start().await;
    let signal = cluster.signal(&[0, 1]).await;
    let (ada, conversation, bob) = cluster.talk().await;
    let mut phone = joined(&signal, &bob).await;
    let leaving = cluster.holder_of(1).await;
    let staying = 1 - leaving;
    let ada = ada.at(cluster.url(staying));
    let stopping = cluster.nodes[leaving].take().unwrap();
    let stopped = tokio::spawn(async move {
        let began = Instant::now();
        stopping.shutdown().await;
        began.elapsed()
    });
    let mut sent = 0;
    while !stopped.is_finished() {
        ada.send_text(&conversation, ClientMessageId::random(), "on the move").await.unwrap();
        sent += 1;
        assert_eq!(next_head(&mut phone).await, sent);
        assert!(pong(&mut phone).await.is_some(), "for a moment there was no watch");
    }
    let took = stopped.await.unwrap();
    assert!(took < nudge_fetch::limits::WATCH_MOVE_TIME, "it waited for all of its time: {took:?}");
    assert_eq!(signal.stats().watch_opened, 2);
    assert_eq!(cluster.node(staying).hub().held_sessions(), 1);
    signal.abort().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_fetch_node_that_dies_delays_notices_by_the_time_to_reach_another() {
    let mut cluster = Cluster::start().await;
    let signal = cluster.signal(&[0, 1]).await;
    let (ada, conversation, bob) = cluster.talk().await;
    let mut phone = joined(&signal, &bob).await;
    let mut delays = Vec::new();
    for head in 1..=10 {
        let dying = cluster.holder_of(1).await;
        let ada = ada.at(cluster.url(1 - dying));
        // As it looks from signal: the connection is gone, and there is no other.
        cluster.proxies[dying].refuse();
        let died_at = Instant::now();
        ada.send_text(&conversation, ClientMessageId::random(), "still here").await.unwrap();
        while next_head(&mut phone).await < head {}
        delays.push(died_at.elapsed());
        cluster.proxies[dying].restore();
        sleep(nudge_signal::limits::WATCH_WELL_AFTER).await;
    }
    delays.sort_unstable();
    eprintln!(
        "a dead fetch node delays a notice by {:?} at the median, {:?} at most",
        delays[5], delays[9]
    );
    assert!(delays[9] < WATCH_RETRY_MIN + SLACK, "{delays:?}");
    signal.abort().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_fetch_node_that_is_frozen_is_left_within_seconds() {
    let mut cluster = Cluster::start().await;
    let signal = cluster.signal(&[0, 1]).await;
    let (ada, conversation, bob) = cluster.talk().await;
    let mut phone = joined(&signal, &bob).await;
    let frozen = cluster.holder_of(1).await;
    let ada = ada.at(cluster.url(1 - frozen));
    cluster.proxies[frozen].black_hole();
    let frozen_at = Instant::now();
    ada.send_text(&conversation, ClientMessageId::random(), "hello?").await.unwrap();
    assert_eq!(next_head(&mut phone).await, 1);
    eprintln!("a frozen fetch node delays a notice by {:?}", frozen_at.elapsed());
    assert!(frozen_at.elapsed() < WATCH_PING_INTERVAL + WATCH_PING_TIMEOUT + SLACK);
    cluster.proxies[frozen].restore();
    signal.abort().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_fetch_node_that_is_cut_off_from_its_database_is_left_within_a_heartbeat() {
    const HEARTBEAT: Duration = Duration::from_secs(20);
    let mut cluster = Cluster::start_with(HEARTBEAT).await;
    let signal = cluster.signal(&[0, 1]).await;
    let (ada, conversation, bob) = cluster.talk().await;
    let mut phone = joined(&signal, &bob).await;
    let blind = cluster.holder_of(1).await;
    let ada = ada.at(cluster.url(1 - blind));
    // Its bus is the database's, and silent with it; its streams are as well as ever.
    cluster.databases[blind].black_hole();
    let cut_off_at = Instant::now();
    ada.send_text(&conversation, ClientMessageId::random(), "anybody there?").await.unwrap();
    assert_eq!(timeout(HEARTBEAT, next_head(&mut phone)).await, Ok(1));
    eprintln!("a blind fetch node delays a notice by {:?}", cut_off_at.elapsed());
    assert_eq!(cluster.node(1 - blind).hub().held_sessions(), 1);
    cluster.databases[blind].restore();
    signal.abort().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_new_run_replaces_the_old_one_on_another_node() {
    let mut cluster = Cluster::start().await;
    let (here, there) = (cluster.signal(&[0]).await, cluster.signal(&[1]).await);
    let (_, _, bob) = cluster.talk().await;
    let mut peer = joined(&here, &bob).await;
    for round in 0..6 {
        let other = if round % 2 == 0 { &there } else { &here };
        let mut newer = joined(other, &bob).await;
        let mut runs = 1;
        // While the other node has not heard of the first one, it does not know which is newer.
        let code = loop {
            match timeout(SLACK / 4, peer.hear_end()).await {
                Ok(code) => break code.unwrap(),
                Err(_) => newer = joined(other, &bob).await,
            }
            runs += 1;
            assert!(runs <= 5, "both stayed");
        };
        assert_eq!(code, CloseCode::Replaced);
        peer = newer;
    }
    assert!(pong(&mut peer).await.is_some());
    here.abort().await;
    there.abort().await;
    cluster.stop().await;
}

/// Two fetch nodes, each behind a proxy where signal comes in, and another one before its database.
struct Cluster {
    nodes: Vec<Option<Fetch>>,
    public: Vec<SocketAddr>,
    proxies: Vec<FaultProxy>,
    databases: Vec<FaultProxy>,
    _folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(FetchConfig::new(PathBuf::new()).heartbeat).await
    }

    async fn start_with(heartbeat: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Postgres::shared();
        let database = server.database();
        let name = database.rsplit('/').next().unwrap();
        let (mut nodes, mut public) = (Vec::new(), Vec::new());
        let (mut proxies, mut databases) = (Vec::new(), Vec::new());
        for number in 0..2 {
            let port = SocketAddr::from(([127, 0, 0, 1], server.port()));
            let before = FaultProxy::start(port).await.unwrap();
            let url = Postgres::url_at(before.address().port(), name);
            databases.push(before);
            let config = FetchConfig {
                database: Database::Postgres(PostgresOptions::new(url)),
                heartbeat,
                objects: ObjectsConfig::Directory {
                    path: folder.path().join("objects"),
                    is_shared: true,
                },
                ..FetchConfig::new(folder.path().join(format!("node{number}")))
            };
            let fetch = Fetch::start(config).await.unwrap();
            public.push(fetch.public_addr());
            proxies.push(FaultProxy::start(fetch.private_addr()).await.unwrap());
            nodes.push(Some(fetch));
        }
        Self { nodes, public, proxies, databases, _folder: folder }
    }

    fn node(&self, number: usize) -> &Fetch {
        self.nodes[number].as_ref().unwrap()
    }

    fn url(&self, number: usize) -> String {
        format!("http://{}", self.public[number])
    }

    /// A signal node that may go to these fetch nodes, once it has a watch.
    async fn signal(&self, fetch: &[usize]) -> Signal {
        let url = |number: &usize| format!("http://{}", self.proxies[*number].address());
        let watch = GrpcWatchConfig {
            fetch: fetch.iter().map(|number| url(number).parse().unwrap()).collect(),
            name: None,
            secret: None,
            tls: None,
        };
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = SignalConfig { tcp: Some(Listen::Address(free)), ..SignalConfig::default() };
        let signal = Signal::start(config, Arc::new(GrpcWatch::connect(watch).unwrap())).unwrap();
        until(|| signal.stats().watch_is_up).await;
        signal
    }

    /// Ada, who writes to Bob.
    async fn talk(&self) -> (Api, String, Api) {
        let mut people = Vec::new();
        for handle in ["ada", "bob"] {
            let mut api = Api::new(self.url(0)).unwrap();
            api.sign_up(handle, PASSWORD).await.unwrap();
            people.push(api);
        }
        let (bob, ada) = (people.pop().unwrap(), people.pop().unwrap());
        let conversation = ada.direct(&bob.user().id).await.unwrap().id;
        (ada, conversation, bob)
    }

    /// The node that holds so many sessions.
    async fn holder_of(&self, sessions: usize) -> usize {
        let holds = |number: usize| {
            self.nodes[number].as_ref().is_some_and(|node| node.hub().held_sessions() == sessions)
        };
        until(|| holds(0) != holds(1)).await;
        usize::from(holds(1))
    }

    async fn stop(&mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.shutdown().await;
        }
    }
}

async fn joined(signal: &Signal, api: &Api) -> Peer {
    let mut peer = Peer::connect(signal.tcp_addr().unwrap(), None).await.unwrap();
    peer.join(api.session()).await.unwrap();
    peer
}

async fn next_head(peer: &mut Peer) -> u64 {
    loop {
        if let ServerFrame::Notice(notice) = peer.hear().await.unwrap().unwrap().frame {
            return notice.head.0;
        }
    }
}

async fn pong(peer: &mut Peer) -> Option<u64> {
    peer.say(&ClientFrame::Ping).await.unwrap();
    loop {
        if let ServerFrame::Pong { head } = peer.hear().await.unwrap().unwrap().frame {
            return head.map(|head| head.0);
        }
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), poll).await.expect("it did not become so");
}
