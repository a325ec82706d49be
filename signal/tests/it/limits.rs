//! Connection limits and deadlines of a session.

use std::time::Duration;

use nudge_proto::{CloseCode, frame::ClientFrame};
use tokio::time::{Instant, advance, sleep};

use crate::rig::{Device, Rig};

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_node_s_limit_is_told_that_the_node_is_full() {
    let rig = Rig::with(|config| config.connections_max = 2).await;
    let first = rig.join(Device::new()).await;
    let _second = rig.join(Device::new()).await;
    assert_eq!(rig.connect().hear_end().await, CloseCode::Overloaded);
    drop(first);
    until_connections(&rig, 1).await;
    rig.join(Device::new()).await;
    assert_eq!(rig.signal.stats().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_user_s_limit_is_refused_and_others_are_not() {
    let rig = Rig::with(|config| config.connections_per_user_max = 2).await;
    let user_id = Device::new().user_id;
    let device = || Device { user_id, ..Device::new() };
    let first = rig.join(device()).await;
    let _second = rig.join(device()).await;
    let mut third = rig.connect();
    third.say(ClientFrame::Hello(device().hello())).await;
    assert_eq!(third.hear_end().await, CloseCode::TooManyConnections);
    rig.join(Device::new()).await;
    drop(first);
    until_connections(&rig, 1).await;
    rig.join(device()).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_ends_after_one_and_a_half_heartbeats() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    let start = Instant::now();
    assert_eq!(peer.hear_end().await, CloseCode::IdleTimeout);
    let waited = start.elapsed();
    assert!((360..362).contains(&waited.as_secs()), "closed after {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_session_and_nothing_else_is_needed() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    for _ in 0..20 {
        advance(Duration::from_secs(239)).await;
        assert_eq!(peer.ping().await, Some(0));
    }
}

/// Waits until the service has noticed that connections are gone.
async fn until_connections(rig: &Rig, at_most: u64) {
    while rig.signal.stats().connections > at_most {
        sleep(Duration::from_millis(1)).await;
    }
}
