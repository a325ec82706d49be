use nudge_proto::{
    InboxSeq, MessageId,
    frame::{Notice, NoticeFlags},
};
use prost::Message;

use super::*;
use crate::store::Point;

#[test]
fn p5_moves_of_a_user_merge_and_spare_a_device_only_when_all_do() {
    let (user, device) = (UserId::random(), Some(DeviceId::random()));
    let mut outbox = Outbox::default();
    assert_eq!(outbox.push(moves([(user, 5, device), (user, 3, device)])), 0);
    assert_eq!(taken(&mut outbox), [moves([(user, 5, device)])]);
    assert_eq!(outbox.push(moves([(user, 6, device)])), 0);
    assert_eq!(outbox.push(moves([(user, 7, None)])), 0);
    assert_eq!(taken(&mut outbox), [moves([(user, 7, None)])]);
    assert!(outbox.is_empty());
}

#[test]
fn p4_the_head_of_the_newest_epoch_is_told_however_low_it_is() {
    let user = UserId::random();
    let of = |epoch, head| {
        let BusEvent::Moved(mut moved) = moves([(user, head, None)]) else { unreachable!() };
        moved[0].epoch = Some(Epoch(epoch));
        BusEvent::Moved(moved)
    };
    let mut outbox = Outbox::default();
    for (epoch, head) in [(1, 9), (2, 4), (2, 3), (1, 10)] {
        assert_eq!(outbox.push(of(epoch, head)), 0);
    }
    assert_eq!(taken(&mut outbox), [of(2, 4)]);
}

#[test]
fn p5_an_outbox_that_nobody_takes_from_says_what_it_lost() {
    let mut outbox = Outbox::default();
    let all: Vec<_> = (0..BUS_WAITING_MAX + 3).map(|_| (UserId::random(), 1, None)).collect();
    assert_eq!(outbox.push(moves(all.clone())), 3);
    assert_eq!(outbox.push(moves([(all[0].0, 2, None)])), 0, "who waits already has room");
    let typing = Typing { conversation_id: ConversationId::random(), user_id: UserId::random() };
    for _ in 0..BUS_TYPING_WAITING_MAX {
        let typing = Typing { conversation_id: ConversationId::random(), ..typing };
        assert_eq!(outbox.push(BusEvent::Typing { to: vec![typing.user_id], typing }), 0);
    }
    assert_eq!(outbox.push(BusEvent::Typing { to: vec![typing.user_id], typing }), 1);
    assert_eq!(outbox.drop_fleeting(), BUS_TYPING_WAITING_MAX);
    let mut users = 0;
    while !outbox.is_empty() {
        users += outbox.take(6000).len();
    }
    assert_eq!(users, BUS_WAITING_MAX);
}

#[test]
fn p8_a_revocation_goes_before_whatever_waits() {
    let (user, moved) = (UserId::random(), UserId::random());
    let mut outbox = Outbox::default();
    assert_eq!(outbox.push(moves([(moved, 1, None)])), 0);
    assert_eq!(outbox.push(BusEvent::Revoked { user_id: user, device_id: None }), 0);
    let expected =
        [BusEvent::Revoked { user_id: user, device_id: None }, moves([(moved, 1, None)])];
    assert_eq!(taken(&mut outbox), expected);
}

#[test]
fn every_connection_is_told_and_the_highest_epoch() {
    let mut outbox = Outbox::default();
    let first = Connection {
        user_id: UserId::random(),
        device_id: DeviceId::random(),
        instance: 1,
        attempt: 1,
        point: Point::default(),
        floor: Point::default(),
    };
    let point = Point { epoch: Epoch(1), ..Point::default() };
    let second = Connection { instance: 2, point, ..first };
    for event in [
        BusEvent::Connected(vec![first]),
        BusEvent::Connected(vec![second, first]),
        BusEvent::EpochChanged(Epoch(4)),
        BusEvent::EpochChanged(Epoch(3)),
        BusEvent::KeysChanged,
        BusEvent::KeysChanged,
    ] {
        assert_eq!(outbox.push(event), 0);
    }
    let expected = [
        BusEvent::EpochChanged(Epoch(4)),
        BusEvent::KeysChanged,
        BusEvent::Connected(vec![first, second]),
    ];
    assert_eq!(taken(&mut outbox), expected);
}

#[test]
fn a_huge_event_goes_in_parts_that_fit_and_lose_nobody() {
    let users: Vec<_> = (0..1024).map(|_| UserId::random()).collect();
    let typing = Typing { conversation_id: ConversationId::random(), user_id: users[0] };
    let mut outbox = Outbox::default();
    assert_eq!(outbox.push(BusEvent::Typing { to: users.clone(), typing }), 0);
    let device = Some(DeviceId::random());
    assert_eq!(outbox.push(moves(users.iter().map(|user| (*user, u64::MAX, device)))), 0);
    let (mut told, mut typed) = (Vec::new(), Vec::new());
    while !outbox.is_empty() {
        let events = outbox.take(5997 - wire::EMPTY_BATCH_BYTES_MAX);
        let bytes = wire::encode(u64::MAX, u64::MAX, events);
        assert!((1..=5997).contains(&bytes.len()), "{} bytes", bytes.len());
        for event in wire::Batch::decode(&bytes).unwrap().events {
            if let BusEvent::Moved(moved) = event {
                told.extend(moved.iter().map(|moved| moved.user_id));
            } else if let BusEvent::Typing { to, .. } = event {
                typed.extend(to);
            }
        }
    }
    assert_eq!(told, users);
    assert_eq!(typed, users);
}

#[test]
fn nothing_larger_than_asked_is_taken() {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.push(moves([(UserId::random(), 1, None)])), 0);
    assert_eq!(outbox.take(10), []);
    assert!(!outbox.is_empty());
}

fn moves(moved: impl IntoIterator<Item = (UserId, u64, Option<DeviceId>)>) -> BusEvent {
    let moved = moved.into_iter().map(|(user_id, head, except_device_id)| Moved {
        user_id,
        epoch: Some(Epoch(1)),
        notice: Notice {
            head: InboxSeq(head),
            message_id: Some(MessageId::from_slice(&[7; 16]).unwrap()),
            flags: NoticeFlags::MESSAGE,
        },
        except_device_id,
        trace: None,
    });
    BusEvent::Moved(moved.collect())
}

fn taken(outbox: &mut Outbox) -> Vec<BusEvent> {
    let batch = pb::Batch { node: 1, number: 1, events: outbox.take(10_000) };
    wire::Batch::decode(&batch.encode_to_vec()).unwrap().events
}
