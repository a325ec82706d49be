//! A node that was asked to stop: not ready any more, and serving until whoever balances has noticed.

use std::{net::SocketAddr, time::Duration};

use nudge_harness::{Api, Cluster, Peer, ServerCommand, cluster::BusKind, system::PASSWORD};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use crate::program::NUDGE;

/// Far longer than any test waits for a process to end.
const FOR_EVER: [&str; 2] = ["--drain-delay-s", "300"];
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_an_unready_node_of_either_role_still_takes_whoever_comes_until_it_is_hurried() {
    let cluster = Cluster::builder(NUDGE)
        .nodes(1, 1)
        .bus(BusKind::Postgres)
        .paired()
        .fetch_arguments(FOR_EVER)
        .signal_arguments(FOR_EVER)
        .start()
        .await
        .unwrap();
    let url = cluster.node_url(0).await.unwrap();
    let (mut fetch, mut signal) =
        (cluster.fetch()[0].lock().await, cluster.signal()[0].lock().await);
    for node in [&fetch, &signal] {
        assert_eq!(readiness(node.ready().private).await, StatusCode::OK);
        node.ask_to_stop().unwrap();
        becomes_unready(node.ready().private).await;
    }
    assert_eq!(readiness(fetch.ready().fetch.unwrap()).await, StatusCode::SERVICE_UNAVAILABLE);
    // Both serve whom balancers still send: on new connections, with writes and welcomes.
    let mut ada = Api::new(url).unwrap();
    ada.sign_up("ada", PASSWORD).await.unwrap();
    let mut peer = Peer::connect(signal.ready().signal.unwrap(), None).await.unwrap();
    peer.join(ada.session()).await.unwrap();
    drop(peer);
    // A second SIGTERM ends the delay, and nothing else.
    assert!(signal.terminate().await.unwrap().success(), "{}", signal.output());
    assert!(fetch.terminate().await.unwrap().success(), "{}", fetch.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_the_delay_passes_by_itself_and_then_the_node_ends() {
    let folder = tempfile::tempdir().unwrap();
    let delay = Duration::from_secs(2);
    let command = ServerCommand::new(NUDGE, folder.path());
    let mut server = command.arguments(["--drain-delay-s", "2"]).start().await.unwrap();
    let private = server.ready().private;
    let begun = Instant::now();
    let (ended, ()) = tokio::join!(server.terminate(), becomes_unready(private));
    assert!(ended.unwrap().success(), "{}", server.output());
    assert!(begun.elapsed() >= delay, "it served for {:?} alone", begun.elapsed());
}

async fn readiness(address: SocketAddr) -> StatusCode {
    reqwest::get(format!("http://{address}/readyz")).await.unwrap().status()
}

/// It says no, and never that it is not there.
async fn becomes_unready(address: SocketAddr) {
    let unready = timeout(PATIENCE, async {
        while readiness(address).await != StatusCode::SERVICE_UNAVAILABLE {
            sleep(Duration::from_millis(10)).await;
        }
    });
    unready.await.unwrap();
}
