use futures::FutureExt;
use nudge_proto::{DeviceId, UserId};

use super::*;
use crate::{bus::Heard, limits::BUS_WAITING_MAX};

/// What is told by `from` and carried to `to`, except those batches whose place is in `lost`.
fn carry(from: &Exchange, to: &Exchange, lost: &[usize]) {
    for (at, batch) in from.take(64, 6000).into_iter().enumerate() {
        if !lost.contains(&at) {
            assert_eq!(to.hear(&batch.bytes), None);
        }
    }
}

fn exchange(node: u64) -> Exchange {
    Exchange::new("test", node)
}

fn revoked() -> BusEvent {
    BusEvent::Revoked { user_id: UserId::random(), device_id: Some(DeviceId::random()) }
}

fn heard(exchange: &Exchange, act: impl FnOnce()) -> Vec<Heard> {
    let mut listener = exchange.listeners.subscribe();
    act();
    std::iter::from_fn(|| listener.hear().now_or_never()).collect()
}

#[test]
fn what_is_told_here_is_heard_here_at_once_and_not_again_when_it_comes_back() {
    let (here, event) = (exchange(1), revoked());
    let told = heard(&here, || {
        here.publish(event.clone());
        let batch = here.take(1, 6000).remove(0);
        assert_eq!(here.hear(&batch.bytes), Some(batch.number));
    });
    assert_eq!(told, [Heard::Event(event)]);
}

#[test]
fn a_lost_batch_is_a_gap_at_the_next_one_even_without_events() {
    let (here, there) = (exchange(1), exchange(2));
    let told = heard(&there, || {
        carry(&here, &there, &[]);
        here.publish(revoked());
        carry(&here, &there, &[0]);
        carry(&here, &there, &[]);
        carry(&here, &there, &[]);
    });
    assert_eq!(told, [Heard::Gap]);
    assert_eq!(there.status.now().gaps, 1);
}

#[test]
fn what_found_no_room_is_a_gap_for_the_others() {
    let (here, there) = (exchange(1), exchange(2));
    carry(&here, &there, &[]);
    for _ in 0..BUS_WAITING_MAX {
        here.publish(revoked());
    }
    assert_eq!(here.status.now().lost, 0);
    here.publish(revoked());
    assert_eq!(here.status.now().lost, 1);
    let told = heard(&there, || carry(&here, &there, &[]));
    assert_eq!(told[0], Heard::Gap);
}

#[test]
fn what_is_no_batch_is_a_gap() {
    let here = exchange(1);
    let told = heard(&here, || assert_eq!(here.hear(b"\xff\xff"), None));
    assert_eq!(told, [Heard::Gap]);
}

#[test]
fn all_that_waits_is_taken_and_nothing_is_a_sign_of_life() {
    let here = exchange(1);
    for _ in 0..1000 {
        here.publish(revoked());
    }
    let mut numbers = Vec::new();
    let mut events = 0;
    while !here.is_empty() {
        for batch in here.take(3, 6000) {
            numbers.push(batch.number);
            events += batch.events;
        }
    }
    assert_eq!(events, 1000);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(here.has_news().now_or_never().is_none());
    let sign = here.take(3, 6000);
    assert_eq!((sign.len(), sign[0].events), (1, 0));
}
