use proptest::{collection::vec, option, prelude::*};

use super::*;

/// The bytes are pinned: nodes of several versions share a bus.
#[test]
fn events_are_pinned() {
    let user = |n: u8| UserId::from_slice(&[n; 16]).unwrap();
    let device = |n: u8| DeviceId::from_slice(&[n; 16]).unwrap();
    let notice = Notice {
        head: InboxSeq(300),
        message_id: Some(MessageId::from_slice(&[2; 16]).unwrap()),
        flags: NoticeFlags::MESSAGE,
    };
    let is_typing = typing(
        &[user(1), user(2)],
        Typing { conversation_id: ConversationId::from_slice(&[3; 16]).unwrap(), user_id: user(4) },
    );
    let connection = Connection {
        user_id: user(1),
        device_id: device(2),
        instance: 7,
        attempt: 300,
        point: point(3, 1),
        floor: point(3, 2),
    };
    let a_moved = Moved {
        user_id: user(1),
        epoch: Some(Epoch(300)),
        notice,
        except_device_id: Some(device(3)),
        trace: None,
    };
    let trace = TraceContext { trace_id: [4; 16], span_id: [5; 8], is_sampled: true };
    let (one, two, three, four) =
        ("01".repeat(16), "02".repeat(16), "03".repeat(16), "04".repeat(16));
    for (event, expected) in [
        (moved(&a_moved), format!("0a3e 0a10{one} 10ac02 1a10{two} 2001 2a10{three} 30ac02")),
        (
            moved(&Moved { except_device_id: None, trace: Some(trace), ..a_moved }),
            format!("0a47 0a10{one} 10ac02 1a10{two} 2001 30ac02 3a19{four} 0505050505050505 01"),
        ),
        (is_typing, format!("1248 0a10{one} 0a10{two} 1210{three} 1a10{four}")),
        (revoked(user(1), None), format!("1a12 0a10{one}")),
        (revoked(user(1), Some(device(2))), format!("1a24 0a10{one} 1210{two}")),
        (
            connected(&connection),
            format!("2238 0a10{one} 1210{two} 190700000000000000 20ac02 2801 3003 3802 4003"),
        ),
        (epoch_changed(Epoch(3)), "2a02 0803".to_owned()),
        (keys_changed(), "3200".to_owned()),
        (kicked(user(1), None), format!("3a12 0a10{one}")),
        (kicked(user(1), Some(device(2))), format!("3a24 0a10{one} 1210{two}")),
    ] {
        assert_eq!(hex::encode(event.encode_to_vec()), expected.replace(' ', ""));
    }
    let batch = encode(5, 300, vec![keys_changed()]);
    assert_eq!(hex::encode(batch), "09050000000000000010ac021a023200");
}

#[test]
fn what_a_newer_node_tells_is_left_out_and_the_rest_is_heard() {
    // An event of kind 15, then one that is known, with a field more.
    let batch = "090500000000000000 1001 1a02 7a00 1a07 2a05 0803 f2 0100 20 07".replace(' ', "");
    let batch = Batch::decode(&hex::decode(batch).unwrap()).unwrap();
    let events = vec![BusEvent::EpochChanged(Epoch(3))];
    assert_eq!(batch, Batch { node: 5, number: 1, count: 2, events });
}

/// While nodes are replaced one by one, some do not say yet what epoch a head is of.
#[test]
fn a_move_that_an_older_node_tells_is_heard_and_is_of_no_epoch() {
    let batch = format!("090500000000000000 1001 1a16 0a14 0a10{} 1007", "01".repeat(16));
    let batch = Batch::decode(&hex::decode(batch.replace(' ', "")).unwrap()).unwrap();
    let moved = Moved {
        user_id: UserId::from_slice(&[1; 16]).unwrap(),
        epoch: None,
        notice: Notice { head: InboxSeq(7), ..Notice::default() },
        except_device_id: None,
        trace: None,
    };
    assert_eq!(batch.events, [BusEvent::Moved(vec![moved])]);
}

proptest! {
    #[test]
    fn what_is_told_is_heard(events in vec(event(), 0..20), node: u64, number: u64) {
        let wire: Vec<_> = events.iter().flat_map(to_wire).collect();
        let count = wire.len();
        let size: usize = wire.iter().map(size).sum();
        let bytes = encode(node, number, wire);
        prop_assert!(bytes.len() <= EMPTY_BATCH_BYTES_MAX + size);
        let batch = Batch::decode(&bytes).unwrap();
        prop_assert_eq!((batch.node, batch.number, batch.count), (node, number, count));
        let again: Vec<_> = batch.events.iter().flat_map(to_wire).collect();
        prop_assert_eq!(encode(node, number, again), bytes);
    }

    #[test]
    fn no_bytes_at_all_are_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Batch::decode(&bytes);
    }

    #[test]
    fn a_batch_that_was_changed_underway_is_no_panic(
        events in vec(event(), 0..5), at: prop::sample::Index, bit in 0..8_u32, cut: prop::sample::Index,
    ) {
        let mut bytes = encode(1, 2, events.iter().flat_map(to_wire).collect());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = Batch::decode(&bytes);
        let _ = Batch::decode(&bytes[..cut.index(bytes.len())]);
    }
}

fn to_wire(event: &BusEvent) -> Vec<pb::Event> {
    match event {
        BusEvent::Moved(all) => all.iter().map(moved).collect(),
        BusEvent::Typing { to, typing } => vec![super::typing(to, *typing)],
        BusEvent::Revoked { user_id, device_id } => vec![revoked(*user_id, *device_id)],
        BusEvent::Kicked { user_id, device_id } => vec![kicked(*user_id, *device_id)],
        BusEvent::Connected(all) => all.iter().map(connected).collect(),
        BusEvent::EpochChanged(epoch) => vec![epoch_changed(*epoch)],
        BusEvent::KeysChanged => vec![keys_changed()],
    }
}

fn event() -> impl Strategy<Value = BusEvent> {
    prop_oneof![
        vec(a_move(), 1..5).prop_map(BusEvent::Moved),
        (vec(id(), 0..5), id(), id()).prop_map(|(to, place, who)| BusEvent::Typing {
            to: to.into_iter().map(UserId::from).collect(),
            typing: Typing { conversation_id: place.into(), user_id: who.into() },
        }),
        (id(), option::of(id())).prop_map(|(user, device)| BusEvent::Revoked {
            user_id: user.into(),
            device_id: device.map(DeviceId::from),
        }),
        (id(), option::of(id())).prop_map(|(user, device)| BusEvent::Kicked {
            user_id: user.into(),
            device_id: device.map(DeviceId::from),
        }),
        vec(connection(), 1..5).prop_map(BusEvent::Connected),
        any::<u64>().prop_map(|epoch| BusEvent::EpochChanged(Epoch(epoch))),
        Just(BusEvent::KeysChanged),
    ]
}

fn a_move() -> impl Strategy<Value = Moved> {
    let epoch = option::of((1..=u64::MAX).prop_map(Epoch));
    let devices = (option::of(id()), option::of(trace()));
    (id(), epoch, any::<u64>(), option::of(id()), any::<u32>(), devices).prop_map(
        |(user, epoch, head, message, flags, (except, trace))| Moved {
            user_id: user.into(),
            epoch,
            notice: Notice {
                head: InboxSeq(head),
                message_id: message.map(MessageId::from),
                flags: NoticeFlags::from_bits(flags),
            },
            except_device_id: except.map(DeviceId::from),
            trace,
        },
    )
}

fn trace() -> impl Strategy<Value = TraceContext> {
    (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, is_sampled)| {
        TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), is_sampled }
    })
}

fn connection() -> impl Strategy<Value = Connection> {
    (id(), id(), any::<u64>(), any::<u32>(), any::<[u64; 4]>()).prop_map(
        |(user, device, instance, attempt, [epoch, generation, floor_epoch, floor])| Connection {
            user_id: user.into(),
            device_id: device.into(),
            instance,
            attempt,
            point: point(epoch, generation),
            floor: point(floor_epoch, floor),
        },
    )
}

fn id() -> impl Strategy<Value = uuid::Uuid> {
    any::<u128>().prop_map(uuid::Uuid::from_u128)
}
