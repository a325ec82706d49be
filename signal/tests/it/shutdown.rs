//! The service ends, and nothing of it is left.

use std::time::Duration;

use nudge_proto::{CloseCode, frame::ServerFrame};
use tokio::{net::TcpStream, time::Instant};

use crate::rig::{Device, Peer, Rig};

#[tokio::test(start_paused = true)]
async fn every_client_is_sent_away_with_a_window_and_closed_at_the_deadline() {
    let rig = Rig::start().await;
    let mut leaving = rig.join(Device::new()).await;
    let mut staying = rig.join(Device::new()).await;
    let mut silent = rig.connect();
    let start = Instant::now();
    let clients = async {
        let Some(ServerFrame::GoAway(go_away)) = leaving.hear().await else {
            panic!("no go_away");
        };
        drop(leaving);
        assert_eq!(go_away.code, CloseCode::Draining);
        assert_eq!((go_away.reconnect_min_ms, go_away.reconnect_max_ms), (1000, 30_000));
        assert!(matches!(silent.hear().await, Some(ServerFrame::GoAway(_))));
        assert!(matches!(staying.hear().await, Some(ServerFrame::GoAway(_))));
        assert_eq!(staying.hear_end().await, CloseCode::Draining);
    };
    let watch = rig.watch;
    tokio::join!(rig.signal.shutdown(), clients);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(5), "closed before the deadline, after {took:?}");
    assert!(took < Duration::from_secs(8), "took {took:?}");
    watch.closed(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_does_not_hold_the_end_up_for_long() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.connect_with(64);
    peer.join(device).await;
    for head in 1..=50 {
        rig.watch.tell_head(device.user_id, head);
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    rig.signal.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn nothing_is_left_after_the_end() {
    let rig = Rig::with(|config| config.drain.deadline = Duration::ZERO).await;
    let address = rig.signal.tcp_addr().unwrap();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::new(TcpStream::connect(address).await.unwrap());
        peer.join(Device::new()).await;
        peers.push(peer);
    }
    let hear_all = async {
        for mut peer in peers {
            assert!(matches!(peer.hear().await, Some(ServerFrame::GoAway(_))));
            assert_eq!(peer.hear_end().await, CloseCode::Draining);
        }
    };
    let watch = rig.watch;
    tokio::join!(rig.signal.shutdown(), hear_all);
    watch.closed(1).await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is still listened on");
    tokio::task::yield_now().await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 1, "{tasks} tasks are left beside the fake watch's");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_dropped_ends_at_once() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    drop(rig.signal);
    assert_eq!(peer.hear().await, None);
    rig.watch.closed(1).await;
}
