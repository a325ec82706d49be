//! Acks: refused or applied, never in between.

use futures::future::join_all;
use nudge_proto::{Cursor, DeviceId, Epoch, InboxSeq, UserId};

use super::{Person, World};
use crate::store::{Ack, StoreError};

async fn acked(world: &World, who: Person) -> u64 {
    let devices = world.store().devices(who.user_id).await.unwrap();
    devices.iter().find(|device| device.id == who.device_id).unwrap().acked.0
}

/// A bad one among them fails no other.
pub async fn acks_have_a_verdict_each_in_their_order(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    let revoked = world.device_of(bob.user_id).await;
    let store = world.store();
    store.revoke_device(bob.user_id, revoked.device_id, world.now()).await.unwrap();
    let epoch = store.identity().await.unwrap().epoch;
    let ack = |(user_id, device_id), seq| Ack {
        user_id,
        device_id,
        cursor: Cursor { epoch, seq: InboxSeq(seq) },
    };
    let elsewhere = Cursor { epoch: Epoch(epoch.0 + 1), seq: InboxSeq(0) };
    let acks = vec![
        ack(bob.pair(), 1),
        ack(bob.pair(), 4),
        ack(revoked.pair(), 1),
        ack((UserId::random(), DeviceId::random()), 0),
        Ack { cursor: elsewhere, ..ack(ada.pair(), 0) },
        ack((ada.user_id, bob.device_id), 1),
        ack(bob.pair(), 2),
        ack(ada.pair(), 3),
    ];
    let verdicts = store.ack(acks, world.now()).await.unwrap();
    let expected = [
        Ok(InboxSeq(0)),
        Err(StoreError::CursorAhead { given: 4, head: 3 }),
        Err(StoreError::DeviceRevoked),
        Err(StoreError::DeviceRevoked),
        Err(StoreError::EpochMismatch { given: epoch.0 + 1, current: epoch.0 }),
        Err(StoreError::DeviceRevoked),
        Ok(InboxSeq(1)),
        Ok(InboxSeq(0)),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!((acked(world, bob).await, acked(world, ada).await), (2, 3));
    assert_eq!(store.ack(vec![], world.now()).await.unwrap(), []);
}

/// Acks may come late, and twice.
pub async fn a_mark_never_moves_back(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    for (seq, before) in [(2, 0), (1, 2), (3, 2), (2, 3), (3, 3)] {
        assert_eq!(world.ack(bob, InboxSeq(seq)).await, Ok(InboxSeq(before)));
        assert_eq!(acked(world, bob).await, seq.max(before));
    }
    assert_eq!(world.marks_of(ada, direct, bob).await, (3, 0));
}

/// In whatever order they arrive, and beside the sends that raise the head.
pub async fn concurrent_acks_end_at_the_highest(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let tablet = world.device_of(bob.user_id).await;
    let direct = world.direct(ada, bob).await;
    for n in 0..20 {
        world.say(ada, direct, format!("{n}")).await;
    }
    let ack = async |who, seq| world.ack(who, InboxSeq(seq)).await.map(|before| (before.0, seq));
    let phone = (1..=20).rev().map(|seq| ack(bob, seq));
    let other = (1..=15).map(|seq| ack(tablet, seq));
    let sends = (0..20).map(|n| world.say(ada, direct, format!("more {n}")));
    let (phone, other, _) = futures::join!(join_all(phone), join_all(other), join_all(sends));
    for (acks, all) in [(phone, 20), (other, 15)] {
        // From where the mark stood to where it was moved: each number once, whatever overlapped.
        let numbers = acks.into_iter().flat_map(|ack| ack.map(|(from, to)| from + 1..=to).unwrap());
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
    }
    assert_eq!((acked(world, bob).await, acked(world, tablet).await), (20, 15));
    assert_eq!(world.marks_of(ada, direct, bob).await, (20, 0));
}

/// Numbers of another history say nothing.
pub async fn an_ack_of_an_old_epoch_is_refused(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "hello").await;
    let old = world.store().identity().await.unwrap().epoch;
    let new = world.store().new_epoch(world.now()).await.unwrap();
    let cursor = Cursor { epoch: old, seq: InboxSeq(1) };
    let ack = Ack { user_id: bob.user_id, device_id: bob.device_id, cursor };
    let verdict = world.store().ack(vec![ack], world.now()).await.unwrap();
    let mismatch = StoreError::EpochMismatch { given: old.0, current: new.0 };
    assert_eq!(verdict, [Err(mismatch)]);
    assert_eq!(world.marks_of(ada, direct, bob).await, (0, 0));
    world.ack(bob, InboxSeq(1)).await.unwrap();
}
