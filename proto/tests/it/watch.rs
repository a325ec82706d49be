//! The watch's batches on the wire.

use nudge_proto::{
    CloseCode, DeviceId, Epoch, InboxSeq, TraceContext, UserId,
    frame::{Notice, NoticeFlags},
    limits::{INBOX_SEQ_MAX, WATCH_MESSAGE_BYTES_MAX},
    pb::watch as pb,
    ticket::TicketKey,
    watch::{
        Down, Generation, Hold, InvalidBatch, Known, Up, WATCH_BATCH_MAX, decode_down, decode_up,
        encode_down, encode_up,
    },
};
use proptest::{collection::vec, option, prelude::*};
use prost::Message;

use crate::strategies::{close_code, cursor, notice, seq, typing, uuid};

fn user_id() -> impl Strategy<Value = UserId> {
    uuid().prop_map(UserId::from)
}

fn device_id() -> impl Strategy<Value = DeviceId> {
    uuid().prop_map(DeviceId::from)
}

fn hold() -> impl Strategy<Value = Hold> {
    let known = (any::<u64>(), any::<u64>(), seq()).prop_map(|(generation, epoch, head)| Known {
        generation: Generation(generation),
        epoch: Epoch(epoch),
        head,
    });
    (
        (any::<u64>(), user_id(), device_id()),
        (any::<u64>(), any::<u32>(), any::<u64>()),
        (option::of(cursor()), option::of(known), any::<bool>()),
    )
        .prop_map(|((session, user_id, device_id), run, (acked, known, late))| {
            let (instance, attempt, ticket_issued_at_s) = run;
            Hold {
                session,
                user_id,
                device_id,
                instance,
                attempt,
                ticket_issued_at_s,
                acked,
                known,
                late,
            }
        })
}

fn up() -> impl Strategy<Value = Up> {
    prop_oneof![
        hold().prop_map(Up::Hold),
        any::<u64>().prop_map(|session| Up::Drop { session }),
        (user_id(), device_id(), cursor()).prop_map(|(user_id, device_id, cursor)| Up::Ack {
            user_id,
            device_id,
            cursor
        }),
    ]
}

fn down() -> impl Strategy<Value = Down> {
    let key = (any::<u32>(), any::<[u8; 32]>()).prop_map(|(id, secret)| TicketKey { id, secret });
    prop_oneof![
        vec(key, 1..5).prop_map(Down::Keys),
        (any::<u64>(), any::<u64>(), any::<u64>(), seq()).prop_map(
            |(session, generation, epoch, head)| Down::Held {
                session,
                generation: Generation(generation),
                epoch: Epoch(epoch),
                head
            }
        ),
        (any::<u64>(), close_code()).prop_map(|(session, code)| Down::Refused { session, code }),
        (user_id(), notice(), option::of(device_id()), option::of(trace())).prop_map(
            |(user_id, notice, except_device_id, trace)| Down::Head {
                user_id,
                notice,
                except_device_id,
                trace
            }
        ),
        (user_id(), typing()).prop_map(|(to, typing)| Down::Typing { to, typing }),
        (user_id(), option::of(device_id()))
            .prop_map(|(user_id, device_id)| Down::Revoked { user_id, device_id }),
        (any::<u64>(), close_code()).prop_map(|(session, code)| Down::Displaced { session, code }),
        any::<u64>().prop_map(|epoch| Down::EpochChanged { epoch: Epoch(epoch) }),
        any::<u32>().prop_map(|deadline_ms| Down::Moving { deadline_ms }),
    ]
}

fn trace() -> impl Strategy<Value = TraceContext> {
    (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, is_sampled)| {
        TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), is_sampled }
    })
}

proptest! {
    #[test]
    fn every_batch_arrives_as_it_was_sent(ups in vec(up(), 0..20), downs in vec(down(), 0..20)) {
        let up = pb::WatchUp::decode(encode_up(&ups).encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(decode_up(up).unwrap(), ups);
        let down = pb::WatchDown::decode(encode_down(&downs).encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(decode_down(down).unwrap(), downs);
    }

    #[test]
    fn no_bytes_bring_the_decoding_down(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(batch) = pb::WatchUp::decode(bytes.as_slice()) {
            let _ = decode_up(batch);
        }
        if let Ok(batch) = pb::WatchDown::decode(bytes.as_slice()) {
            let _ = decode_down(batch);
        }
    }
}

fn largest_hold() -> Up {
    let far = nudge_proto::Cursor { epoch: Epoch(u64::MAX), seq: InboxSeq(INBOX_SEQ_MAX) };
    Up::Hold(Hold {
        session: u64::MAX,
        user_id: UserId::random(),
        device_id: DeviceId::random(),
        instance: u64::MAX,
        attempt: u32::MAX,
        ticket_issued_at_s: u64::MAX,
        acked: Some(far),
        known: Some(Known { generation: Generation(u64::MAX), epoch: far.epoch, head: far.seq }),
        late: true,
    })
}

fn largest_head() -> Down {
    Down::Head {
        user_id: UserId::random(),
        notice: Notice {
            head: InboxSeq(INBOX_SEQ_MAX),
            message_id: Some(nudge_proto::MessageId::random()),
            flags: NoticeFlags::from_bits(u32::MAX),
        },
        except_device_id: Some(DeviceId::random()),
        trace: TraceContext::from_slice(&[0xff; TraceContext::BYTES]),
    }
}

#[test]
fn a_full_batch_of_the_largest_items_fits_a_message() {
    let up = encode_up(&vec![largest_hold(); WATCH_BATCH_MAX]).encoded_len();
    let down = encode_down(&vec![largest_head(); WATCH_BATCH_MAX]).encoded_len();
    assert!(up.max(down) <= WATCH_MESSAGE_BYTES_MAX, "{up} and {down} bytes");
}

#[test]
fn p5_a_batch_above_the_limit_is_refused() {
    let batch = encode_up(&vec![Up::Drop { session: 1 }; WATCH_BATCH_MAX + 1]);
    assert_eq!(decode_up(batch), Err(InvalidBatch::TooMany(WATCH_BATCH_MAX + 1)));
}

#[test]
fn what_a_newer_version_may_say_is_left_out() {
    let mut batch = encode_up(&[Up::Drop { session: 1 }, Up::Drop { session: 2 }]);
    batch.items[0].item = None;
    assert_eq!(decode_up(batch), Ok(vec![Up::Drop { session: 2 }]));
    let unknown_end = pb::Displaced { session: 3, code: 3999 };
    let batch = pb::WatchDown {
        items: vec![pb::Down { item: Some(pb::down::Item::Displaced(unknown_end)) }],
    };
    let batch = decode_down(batch).unwrap();
    let [Down::Displaced { code, .. }] = batch[..] else { panic!("{batch:?}") };
    assert!(code.is_terminal(), "a code that is not known keeps its range");
}

#[test]
fn a_malformed_item_is_named() {
    let mut batch = encode_up(&[Up::Drop { session: 1 }, largest_hold()]);
    if let Some(pb::up::Item::Hold(hold)) = &mut batch.items[1].item {
        hold.device_id = vec![7; 15].into();
    }
    let error = decode_up(batch).unwrap_err().to_string();
    assert!(error.contains("item 1") && error.contains("15 bytes"), "{error}");
    let down = |item| pb::WatchDown { items: vec![pb::Down { item: Some(item) }] };
    let field = |item| decode_down(down(item)).unwrap_err().to_string();
    let no_keys = field(pb::down::Item::Keys(pb::Keys { keys: Vec::new() }));
    assert!(no_keys.contains("no ticket would be good"), "{no_keys}");
    let key = pb::TicketKey { id: 1, secret: vec![0; 31].into() };
    let short = field(pb::down::Item::Keys(pb::Keys { keys: vec![key] }));
    assert!(short.contains("32 bytes"), "{short}");
    let held = pb::Held { head: INBOX_SEQ_MAX + 1, ..pb::Held::default() };
    let high = field(pb::down::Item::Held(held));
    assert!(high.contains("inbox number"), "{high}");
    let refused = pb::Refused { session: 1, code: CloseCode::Revoked.to_wire() };
    assert!(decode_down(down(pb::down::Item::Refused(refused))).is_ok());
}
