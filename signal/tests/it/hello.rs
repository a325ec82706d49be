//! From a hello to a welcome, or not.

use std::time::Duration;

use nudge_proto::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, ServerFrame},
    ticket::TicketKey,
    watch::Down,
};
use tokio::time::{Instant, advance};

use crate::rig::{Device, FakeWatch, NOW_S, Rig, hold_of, key};

#[tokio::test(start_paused = true)]
async fn a_genuine_ticket_is_welcomed_with_epoch_head_and_heartbeat() {
    let rig = Rig::start().await;
    let device = Device::new();
    rig.watch.set_epoch(3);
    rig.watch.set_head(device.user_id, 41);
    let welcome = rig.connect().join(device).await;
    assert_eq!(welcome.epoch, Epoch(3));
    assert_eq!(welcome.head, InboxSeq(41));
    assert_eq!(welcome.heartbeat_s, 240);
    assert_eq!(welcome.server_time_ms, NOW_S * 1000);
}

#[tokio::test(start_paused = true)]
async fn the_watch_is_told_who_it_is_and_what_the_hello_acknowledges() {
    let rig = Rig::start().await;
    let device = Device { instance: 77, attempt: 5, ..Device::new() };
    let cursor = Cursor { epoch: Epoch(1), seq: InboxSeq(9) };
    let mut peer = rig.connect();
    peer.say(ClientFrame::Hello(nudge_proto::frame::Hello {
        cursor: Some(cursor),
        ..device.hello()
    }))
    .await;
    let hold = rig.watch.told(1, |up| hold_of(up, device.device_id)).await;
    assert_eq!((hold.user_id, hold.instance, hold.attempt), (device.user_id, 77, 5));
    assert_eq!(hold.ticket_issued_at_s, NOW_S - 1);
    assert_eq!(hold.acked, Some(cursor));
    assert_eq!(hold.known, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed_after_ten_seconds() {
    let rig = Rig::start().await;
    let mut peer = rig.connect();
    let start = Instant::now();
    assert_eq!(peer.hear_end().await, CloseCode::HelloTimeout);
    let waited = start.elapsed();
    assert!((10_000..11_000).contains(&waited.as_millis()), "closed after {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_comes_a_byte_at_a_time_is_closed_after_ten_seconds() {
    let rig = Rig::start().await;
    let mut peer = rig.connect();
    let mut hello = Vec::new();
    ClientFrame::Hello(Device::new().hello()).encode(&mut hello);
    assert!(hello.len() > 100);
    for byte in &hello[..100] {
        peer.say_bytes(&[*byte]).await;
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!(peer.hear_end().await, CloseCode::HelloTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_slow_hello_within_the_time_is_welcomed() {
    let rig = Rig::start().await;
    let mut peer = rig.connect();
    let mut hello = Vec::new();
    ClientFrame::Hello(Device::new().hello()).encode(&mut hello);
    for byte in &hello {
        peer.say_bytes(&[*byte]).await;
        advance(Duration::from_millis(10)).await;
    }
    assert!(matches!(peer.hear().await, Some(ServerFrame::Welcome(_))));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_forged_malformed_or_of_an_unknown_key_is_a_bad_ticket() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut flipped = device.ticket(&key(), NOW_S + 1);
    flipped[10] ^= 1;
    let other_secret = device.ticket(&TicketKey { id: 7, secret: [8; 32] }, NOW_S + 1);
    let unknown_key = device.ticket(&TicketKey { id: 8, secret: [7; 32] }, NOW_S + 1);
    let expired_forgery = device.ticket(&TicketKey { id: 7, secret: [8; 32] }, NOW_S - 9);
    for ticket in [flipped, other_secret, unknown_key, expired_forgery, Vec::new(), vec![1; 84]] {
        let mut peer = rig.connect();
        peer.say(ClientFrame::Hello(device.hello_with(ticket))).await;
        assert_eq!(peer.hear_end().await, CloseCode::BadTicket);
    }
    rig.join(device).await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket_past_its_time_is_told_apart() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.connect();
    peer.say(ClientFrame::Hello(device.hello_with(device.ticket(&key(), NOW_S)))).await;
    assert_eq!(peer.hear_end().await, CloseCode::TicketExpired);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_device_is_refused_by_the_watch() {
    let rig = Rig::start().await;
    rig.watch.be_silent(true);
    let device = Device::new();
    let mut peer = rig.connect();
    peer.say(ClientFrame::Hello(device.hello())).await;
    let session = rig.watch.session(1, device.device_id).await;
    rig.watch.tell(Down::Refused { session, code: CloseCode::Revoked });
    assert_eq!(peer.hear_end().await, CloseCode::Revoked);
}

#[tokio::test(start_paused = true)]
async fn hellos_wait_for_the_first_keys() {
    let watch = FakeWatch::new();
    watch.refuse(true);
    let rig = Rig::with_watch(watch, |_| ());
    let mut peer = rig.connect();
    peer.say(ClientFrame::Hello(Device::new().hello())).await;
    advance(Duration::from_secs(1)).await;
    rig.watch.refuse(false);
    assert!(matches!(peer.hear().await, Some(ServerFrame::Welcome(_))));
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_cannot_be_answered_is_told_so() {
    for has_keys in [true, false] {
        let watch = FakeWatch::new();
        watch.refuse(!has_keys);
        watch.be_silent(true);
        let rig = Rig::with_watch(watch, |_| ());
        let mut peer = rig.connect();
        peer.say(ClientFrame::Hello(Device::new().hello())).await;
        assert_eq!(peer.hear_end().await, CloseCode::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn anything_but_a_hello_first_breaks_the_protocol() {
    let rig = Rig::start().await;
    let mut peer = rig.connect();
    peer.say(ClientFrame::Ping).await;
    assert_eq!(peer.hear_end().await, CloseCode::ProtocolViolation);
}
