//! What holds for every bus, also for that of a single process.

use std::collections::{HashMap, HashSet};

use nudge_proto::{
    ConversationId, DeviceId, Epoch, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags, Typing},
    watch::Generation,
};
use uuid::Uuid;

use super::{Process, Wire, revoked};
use crate::{
    bus::{BusEvent, Connection, Heard},
    store::{Moved, Point},
};

pub async fn every_process_hears_every_kind_of_event(wire: &dyn Wire) {
    let mut processes = join(wire, 3).await;
    let user_id = UserId::random();
    let device_id = DeviceId::random();
    let typing = Typing { conversation_id: ConversationId::random(), user_id };
    let connection = Connection {
        user_id,
        device_id,
        instance: u64::MAX,
        attempt: 3,
        point: Point { epoch: Epoch(9), generation: Generation(u64::MAX) },
        floor: Point { epoch: Epoch(8), generation: Generation(7) },
    };
    let events = [
        BusEvent::Moved(vec![moved(user_id, 7, Some(device_id))]),
        BusEvent::Typing { to: vec![UserId::random(), user_id], typing },
        BusEvent::Revoked { user_id, device_id: Some(device_id) },
        BusEvent::Revoked { user_id, device_id: None },
        BusEvent::Kicked { user_id, device_id: None },
        BusEvent::Connected(vec![connection]),
        BusEvent::EpochChanged(Epoch(9)),
        BusEvent::KeysChanged,
    ];
    for event in &events {
        for teller in 0..processes.len() {
            processes[teller].bus.publish(event.clone());
            for process in &mut processes {
                process.hears(event).await;
            }
        }
    }
    close(processes).await;
}

pub async fn p4_the_highest_head_arrives_however_much_is_told(wire: &dyn Wire) {
    let mut processes = join(wire, 2).await;
    let users: Vec<_> = (0..10).map(|_| UserId::random()).collect();
    for head in 1..=HEADS {
        for user in &users {
            processes[0].bus.publish(BusEvent::Moved(vec![moved(*user, head, None)]));
        }
    }
    for process in &mut processes {
        let mut heads: HashMap<UserId, InboxSeq> = HashMap::new();
        while users.iter().any(|user| heads.get(user) != Some(&InboxSeq(HEADS))) {
            match process.hear("the highest heads, or a gap").await {
                Heard::Event(BusEvent::Moved(moved)) => {
                    for Moved { user_id, notice, .. } in moved {
                        let head = heads.entry(user_id).or_default();
                        *head = notice.head.max(*head);
                    }
                }
                Heard::Gap => break,
                Heard::Event(_) | Heard::Closed => {}
            }
        }
    }
    close(processes).await;
}

pub async fn p8_everybody_hears_of_a_revocation_behind_a_crowd_of_moves(wire: &dyn Wire) {
    let mut processes = join(wire, 3).await;
    let crowd = (0..20_000).map(|_| moved(UserId::random(), 1, None)).collect();
    processes[0].bus.publish(BusEvent::Moved(crowd));
    let event = revoked();
    processes[0].bus.publish(event.clone());
    for process in &mut processes {
        process.hears(&event).await;
    }
    close(processes).await;
}

pub async fn an_event_of_a_thousand_users_arrives_whole(wire: &dyn Wire) {
    let mut processes = join(wire, 2).await;
    let users: HashSet<_> = (0..1024).map(|_| UserId::random()).collect();
    let device = Some(DeviceId::random());
    let all = users.iter().map(|user| moved(*user, u64::MAX, device)).collect();
    let typing = Typing { conversation_id: ConversationId::random(), user_id: UserId::random() };
    processes[1].bus.publish(BusEvent::Typing { to: users.iter().copied().collect(), typing });
    processes[1].bus.publish(BusEvent::Moved(all));
    for process in &mut processes {
        let (mut told, mut typed) = (users.clone(), users.clone());
        while !(told.is_empty() && typed.is_empty()) {
            match process.hear("a thousand users").await {
                Heard::Event(BusEvent::Moved(moved)) => {
                    for moved in moved {
                        assert_eq!(
                            (moved.notice.head.0, moved.except_device_id),
                            (u64::MAX, device)
                        );
                        told.remove(&moved.user_id);
                    }
                }
                Heard::Event(BusEvent::Typing { to, typing: place }) if place == typing => {
                    to.iter().for_each(|user| {
                        typed.remove(user);
                    });
                }
                Heard::Event(_) | Heard::Gap | Heard::Closed => {}
            }
        }
    }
    close(processes).await;
}

pub async fn p5_a_listener_that_does_not_listen_hears_a_gap(wire: &dyn Wire) {
    let mut process = Process::join(wire, Uuid::new_v4()).await;
    for _ in 0..10_000 {
        process.bus.publish(revoked());
    }
    process.hears_gap().await;
    process.tells(&revoked()).await;
    process.close().await;
}

pub async fn what_was_told_before_the_end_is_heard(wire: &dyn Wire) {
    let mut processes = join(wire, 2).await;
    let (mut other, mut ends) = (processes.remove(0), processes.remove(0));
    let event = revoked();
    ends.bus.publish(event.clone());
    ends.bus.close().await;
    ends.hears(&event).await;
    while ends.listener.hear().await != Heard::Closed {}
    assert_eq!(ends.bus.subscribe().hear().await, Heard::Closed);
    // Nobody is there any more, and nothing happens.
    ends.bus.publish(revoked());
    ends.bus.close().await;
    other.hears(&event).await;
    other.close().await;
}

/// Processes that reach each other.
async fn join(wire: &dyn Wire, count: usize) -> Vec<Process> {
    let store_id = Uuid::new_v4();
    let mut processes = Vec::new();
    for _ in 0..count {
        processes.push(Process::join(wire, store_id).await);
    }
    // Whoever is heard for the first time may have been there before: that is a gap.
    for teller in 0..count {
        let event = revoked();
        processes[teller].bus.publish(event.clone());
        for process in &mut processes {
            process.hears(&event).await;
        }
    }
    processes
}

async fn close(processes: Vec<Process>) {
    for process in processes {
        process.close().await;
    }
}

fn moved(user_id: UserId, head: u64, except_device_id: Option<DeviceId>) -> Moved {
    let message_id = Some(MessageId::random());
    let notice = Notice { head: InboxSeq(head), message_id, flags: NoticeFlags::MESSAGE };
    Moved { user_id, epoch: Some(Epoch(9)), notice, except_device_id, trace: None }
}

/// How often each inbox moves.
const HEADS: u64 = 300;
