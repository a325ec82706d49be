//! What a bus between processes must survive.

use nudge_proto::{DeviceId, UserId};
use uuid::Uuid;

use super::{Process, Server, revoked};
use crate::{bus::BusEvent, limits::BUS_WAITING_MAX};

pub async fn stores_do_not_hear_each_other(server: &dyn Server) {
    let mut ours = Process::join(server, Uuid::new_v4()).await;
    let mut theirs = Process::join(server, Uuid::new_v4()).await;
    let (ours_event, theirs_event) = (revoked(), revoked());
    ours.tells(&ours_event).await;
    theirs.tells(&theirs_event).await;
    // What they could hear of each other would be counted by the time that this was carried around.
    for process in [&mut ours, &mut theirs] {
        let carried = process.bus.status().published + 1;
        process.tells(&revoked()).await;
        while process.bus.status().published < carried {
            tokio::task::yield_now().await;
        }
        assert_eq!(process.bus.status().heard, 0);
    }
    ours.close().await;
    theirs.close().await;
}

pub async fn a_stopped_server_is_come_back_to_and_everybody_hears_a_gap(server: &dyn Server) {
    let (mut here, mut there) = two(server).await;
    server.stop().await;
    survive(server, &mut here, &mut there).await;
    here.close().await;
    there.close().await;
}

pub async fn a_killed_server_is_come_back_to_and_everybody_hears_a_gap(server: &dyn Server) {
    let (mut here, mut there) = two(server).await;
    server.kill().await;
    survive(server, &mut here, &mut there).await;
    here.close().await;
    there.close().await;
}

pub async fn a_bus_waits_for_a_server_that_is_not_there_yet(server: &dyn Server) {
    server.stop().await;
    let store_id = Uuid::new_v4();
    let mut here = Process::begin(server, store_id).await;
    let mut there = Process::begin(server, store_id).await;
    survive(server, &mut here, &mut there).await;
    here.close().await;
    there.close().await;
}

pub async fn p5_telling_a_frozen_server_waits_for_nothing_and_keeps_little(server: &dyn Server) {
    let (mut here, mut there) = two(server).await;
    server.freeze().await;
    let devices = 3 * BUS_WAITING_MAX;
    for _ in 0..devices {
        here.bus.publish(BusEvent::Revoked {
            user_id: UserId::random(),
            device_id: Some(DeviceId::random()),
        });
    }
    here.is_down().await;
    there.is_down().await;
    let status = here.bus.status();
    // What is kept is what waits, and at most what was handed over before it was noticed.
    let kept = devices as u64 - status.lost - status.published;
    assert!(kept <= BUS_WAITING_MAX as u64, "{kept} wait: {status:?}");
    server.thaw().await;
    for process in [&mut here, &mut there] {
        process.hears_gap().await;
        process.is_up().await;
    }
    let event = revoked();
    here.bus.publish(event.clone());
    there.hears(&event).await;
    here.close().await;
    there.close().await;
}

pub async fn a_bus_that_is_down_can_be_closed(server: &dyn Server) {
    let here = Process::join(server, Uuid::new_v4()).await;
    server.stop().await;
    here.is_down().await;
    here.close().await;
}

pub async fn a_bus_on_a_frozen_server_can_be_closed(server: &dyn Server) {
    let here = Process::join(server, Uuid::new_v4()).await;
    server.freeze().await;
    here.bus.publish(revoked());
    here.close().await;
    server.thaw().await;
}

async fn two(server: &dyn Server) -> (Process, Process) {
    let store_id = Uuid::new_v4();
    (Process::join(server, store_id).await, Process::join(server, store_id).await)
}

/// The server is gone: each process tells itself; it is back: they tell each other, and look for what was
/// lost.
async fn survive(server: &dyn Server, here: &mut Process, there: &mut Process) {
    for process in [&mut *here, &mut *there] {
        let why = process.is_down().await;
        assert!(!why.is_empty());
        process.tells(&revoked()).await;
    }
    let meanwhile = revoked();
    here.tells(&meanwhile).await;
    let connected = here.bus.status().connected;
    server.start_again().await;
    there.hears_or_looks(&meanwhile).await;
    for process in [&mut *here, &mut *there] {
        process.is_up().await;
        assert_eq!(process.bus.status().error, None);
    }
    assert_eq!(here.bus.status().connected, connected + 1);
    for event in [revoked(), revoked()] {
        here.tells(&event).await;
        there.hears(&event).await;
        std::mem::swap(here, there);
    }
}
