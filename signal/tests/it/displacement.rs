//! Two connections of one device.

use nudge_proto::{CloseCode, frame::ClientFrame, watch::Up};

use crate::rig::{Device, Rig};

#[tokio::test(start_paused = true)]
async fn another_run_of_the_device_replaces_the_first() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut first = rig.join(device).await;
    let mut second = rig.join(Device { instance: 2, ..device }).await;
    assert_eq!(first.hear_end().await, CloseCode::Replaced);
    rig.watch.tell_head(device.user_id, 1);
    assert!(second.hear().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_of_the_same_run_supersedes_the_first() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut first = rig.join(device).await;
    let mut second = rig.join(Device { attempt: 2, ..device }).await;
    assert_eq!(first.hear_end().await, CloseCode::Superseded);
    assert_eq!(second.ping().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_that_arrives_late_is_refused() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut newer = rig.join(Device { attempt: 2, ..device }).await;
    let mut older = rig.connect();
    older.say(ClientFrame::Hello(device.hello())).await;
    assert_eq!(older.hear_end().await, CloseCode::Superseded);
    assert_eq!(newer.ping().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_displaced_session_leaves_its_successor_alone() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut first = rig.join(device).await;
    let first_session = rig.watch.session(1, device.device_id).await;
    let mut second = rig.join(Device { instance: 2, ..device }).await;
    first.hear_end().await;
    drop(first);
    let dropped = rig.watch.told(1, |up| match up {
        Up::Drop { session } => Some(*session),
        Up::Hold(_) | Up::Ack { .. } => None,
    });
    assert_eq!(dropped.await, first_session);
    rig.watch.tell_head(device.user_id, 1);
    assert!(second.hear().await.is_some());
}
