//! The watch breaks, comes back, and moves.

use std::time::Duration;

use nudge_proto::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, ServerFrame},
    watch::{Down, Known, Up},
};
use tokio::time::{Instant, sleep};

use crate::rig::{Device, Rig, hold_of};

fn acked(up: &Up) -> Option<Cursor> {
    match up {
        Up::Ack { cursor, .. } => Some(*cursor),
        Up::Hold(_) | Up::Drop { .. } => None,
    }
}

fn cursor(seq: u64) -> Cursor {
    Cursor { epoch: Epoch(1), seq: InboxSeq(seq) }
}

#[tokio::test(start_paused = true)]
async fn acks_are_gathered_for_a_second_and_merged_by_device() {
    let rig = Rig::start().await;
    let device = Device::new();
    rig.watch.set_head(device.user_id, 9);
    let mut peer = rig.join(device).await;
    let start = Instant::now();
    for seq in [3, 9, 5] {
        peer.ack(1, seq).await;
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.watch.told(1, acked).await, cursor(9));
    assert!((900..=1100).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    sleep(Duration::from_secs(5)).await;
    let told = rig.watch.all_told(1);
    assert_eq!(told.iter().filter_map(acked).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_another_epoch_goes_nowhere_and_the_client_is_told() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    peer.ack(2, 9).await;
    assert_eq!(peer.hear_end().await, CloseCode::EpochChanged);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.watch.all_told(1).iter().filter_map(acked).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_acks_of_a_session_that_ends_are_still_told() {
    let rig = Rig::start().await;
    let device = Device::new();
    rig.watch.set_head(device.user_id, 9);
    let mut peer = rig.join(device).await;
    peer.ack(1, 4).await;
    drop(peer);
    assert_eq!(rig.watch.told(1, acked).await, cursor(4));
}

#[tokio::test(start_paused = true)]
async fn while_the_watch_is_down_a_pong_carries_no_head() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    assert_eq!(peer.ping().await, Some(0));
    rig.watch.refuse(true);
    rig.watch.break_streams();
    sleep(Duration::from_millis(10)).await;
    assert!(!rig.signal.stats().watch_is_up);
    assert_eq!(peer.ping().await, None);
    rig.watch.refuse(false);
    rig.watch.session(2, device.device_id).await;
    assert!(peer.hears_nothing_for(Duration::from_millis(10)).await);
    assert_eq!(peer.ping().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_held_again_yet_gives_no_head() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    rig.watch.be_silent(true);
    rig.watch.break_streams();
    rig.watch.opened(2).await;
    sleep(Duration::from_millis(10)).await;
    assert!(rig.signal.stats().watch_is_up);
    assert_eq!(peer.ping().await, None);
}

#[tokio::test(start_paused = true)]
async fn after_a_break_everything_is_presented_again_and_what_moved_is_told() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    rig.watch.tell_head(device.user_id, 7);
    assert!(peer.hear().await.is_some());
    peer.ack(1, 6).await;
    rig.watch.set_head(device.user_id, 8);
    rig.watch.refuse(true);
    rig.watch.break_streams();
    sleep(Duration::from_secs(30)).await;
    rig.watch.refuse(false);
    let first = rig.watch.told(1, |up| hold_of(up, device.device_id)).await;
    let again = rig.watch.told(2, |up| hold_of(up, device.device_id)).await;
    assert_eq!(again.session, first.session);
    assert_eq!(again.acked, Some(cursor(6)));
    let known = again.known.unwrap();
    assert_eq!(known, Known { head: InboxSeq(7), epoch: Epoch(1), ..known });
    assert!(known.generation.0 > 0);
    let Some(ServerFrame::Notice(notice)) = peer.hear().await else { panic!("no notice") };
    assert_eq!(notice.head, InboxSeq(8));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_went_while_the_watch_was_down_is_not_presented() {
    let rig = Rig::start().await;
    let device = Device::new();
    let stays = Device::new();
    let peer = rig.join(device).await;
    let _other = rig.join(stays).await;
    rig.watch.refuse(true);
    rig.watch.break_streams();
    drop(peer);
    sleep(Duration::from_secs(1)).await;
    rig.watch.refuse(false);
    rig.watch.session(2, stays.device_id).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.watch.all_told(2).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hello_during_a_short_break_is_welcomed_after_it() {
    let rig = Rig::start().await;
    rig.watch.refuse(true);
    rig.watch.break_streams();
    let mut peer = rig.connect();
    peer.say(ClientFrame::Hello(Device::new().hello())).await;
    sleep(Duration::from_secs(2)).await;
    rig.watch.refuse(false);
    assert!(matches!(peer.hear().await, Some(ServerFrame::Welcome(_))));
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_ends_every_session_whether_told_or_found_after_a_break() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    rig.watch.set_epoch(2);
    rig.watch.tell(Down::EpochChanged { epoch: Epoch(2) });
    assert_eq!(peer.hear_end().await, CloseCode::EpochChanged);

    let mut peer = rig.join(Device::new()).await;
    rig.watch.set_epoch(3);
    rig.watch.break_streams();
    assert_eq!(peer.hear_end().await, CloseCode::EpochChanged);
}

#[tokio::test(start_paused = true)]
async fn a_move_presents_everything_on_a_second_stream_and_then_closes_the_first() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    rig.watch.be_silent(true);
    rig.watch.tell(Down::Moving { deadline_ms: 60_000 });
    let session = rig.watch.session(2, device.device_id).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(peer.ping().await, Some(0), "the first stream still stands");

    let hold = rig.watch.told(2, |up| hold_of(up, device.device_id)).await;
    rig.watch.tell(Down::Held {
        session,
        generation: hold.known.unwrap().generation,
        epoch: Epoch(1),
        head: InboxSeq(0),
    });
    rig.watch.closed(1).await;
    assert_eq!(peer.ping().await, Some(0));
    rig.watch.tell_head(device.user_id, 3);
    assert!(peer.hear().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn thousands_of_sessions_are_all_presented_again() {
    let rig = Rig::start().await;
    let mut peers = Vec::new();
    for _ in 0..3000 {
        peers.push(rig.join(Device::new()).await);
    }
    rig.watch.break_streams();
    rig.watch.opened(2).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.watch.all_told(2).len(), 3000);
}
