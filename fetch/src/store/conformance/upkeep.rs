//! The store itself: identity, epoch, keys, end.

use std::collections::HashSet;

use futures::future::join_all;
use nudge_proto::Epoch;
use uuid::Uuid;

use super::{World, unlimited};
use crate::store::{Key, KeyPurpose, StoreError, UnixMs};

fn key(now: UnixMs, secret: u8) -> Key {
    let day = 24 * 3600 * 1000;
    Key {
        id: 0,
        secret: vec![secret; 32],
        created_at: now,
        retire_at: UnixMs(now.0 + 10 * day),
        not_after: UnixMs(now.0 + 15 * day),
    }
}

/// The object root carries the same.
pub async fn a_store_keeps_its_identity(world: &World) {
    let first = world.store().identity().await.unwrap();
    assert_eq!(first.epoch, Epoch(1));
    world.reopen().await;
    assert_eq!(world.store().identity().await.unwrap(), first);
}

/// However many nodes start at once.
pub async fn a_store_takes_one_place_for_its_objects(world: &World) {
    let store = world.store();
    assert_eq!(store.identity().await.unwrap().objects_id, None);
    let ids: Vec<_> = (0..8).map(|_| Uuid::new_v4()).collect();
    let claimed = join_all(ids.iter().map(|&id| store.claim_objects(id))).await;
    let first = claimed[0].clone().unwrap();
    assert!(ids.contains(&first) && claimed.iter().all(|id| *id == Ok(first)));
    world.reopen().await;
    assert_eq!(world.store().identity().await.unwrap().objects_id, Some(first));
    assert_eq!(world.store().claim_objects(Uuid::new_v4()).await.unwrap(), first);
}

/// Also when the clock went back; and it stays there.
pub async fn an_epoch_is_above_the_one_before_and_the_time(world: &World) {
    let now = world.now();
    let seconds = now.0 / 1000;
    let begin = async |now| world.store().new_epoch(now).await.unwrap().0;
    assert_eq!(begin(now).await, seconds);
    assert_eq!(begin(now).await, seconds + 1);
    assert_eq!(begin(UnixMs(7000)).await, seconds + 2);
    world.reopen().await;
    assert_eq!(world.store().identity().await.unwrap().epoch, Epoch(seconds + 2));
}

/// So that whoever hears of it late knows whether the number still counts.
pub async fn p4_what_moved_names_the_epoch_of_its_head(world: &World) {
    let (store, ada, bob) = (world.store(), world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let mut epoch = store.identity().await.unwrap().epoch;
    for text in ["before", "after"] {
        let sent = store.send(world.draft(ada, direct, text)).await.unwrap();
        world.ack_all(bob).await;
        world.wait_s(2);
        let mut moved = sent.moved;
        moved.extend(world.settle().await);
        assert!(moved.len() >= 3, "both inboxes by the message, the sender's by its receipt");
        for moved in moved {
            assert_eq!(moved.epoch, Some(epoch), "{moved:?}");
        }
        epoch = store.new_epoch(world.now()).await.unwrap();
    }
}

/// However many ask at once with a fresh one of their own.
pub async fn concurrent_nodes_get_the_same_keys(world: &World) {
    let (store, now) = (world.store(), world.now());
    let asked = (0..16).map(|node| store.keys(KeyPurpose::Access, key(now, node), now));
    let answers = join_all(asked).await.into_iter().map(Result::unwrap);
    let secrets: HashSet<_> = answers
        .map(|keys| {
            assert_eq!(keys.len(), 1);
            keys[0].secret.clone()
        })
        .collect();
    assert_eq!(secrets.len(), 1);
    // Each purpose has its own.
    let ticket = store.keys(KeyPurpose::Ticket, key(now, 99), now).await.unwrap();
    assert_eq!(ticket[0].secret, [99; 32]);
    assert!(!secrets.contains(&ticket[0].secret));
}

/// The retired one still checks for a while; then it is forgotten.
pub async fn keys_rotate_with_overlap_and_are_forgotten(world: &World) {
    let store = world.store();
    let ask = |secret| {
        let now = world.now();
        store.keys(KeyPurpose::Ticket, key(now, secret), now)
    };
    let secrets = |keys: &[Key]| keys.iter().map(|key| key.secret[0]).collect::<Vec<_>>();
    let first = ask(1).await.unwrap();
    world.wait_days(9);
    assert_eq!(ask(2).await.unwrap(), first, "it still makes");
    world.wait_days(2);
    let both = ask(3).await.unwrap();
    assert_eq!(secrets(&both), [3, 1], "newest first");
    assert!(both[0].id > both[1].id);
    world.wait_days(5);
    assert_eq!(secrets(&ask(4).await.unwrap()), [3]);
    world.sweep(unlimited()).await;
    assert_eq!(secrets(&ask(5).await.unwrap()), [3]);
}

/// Whatever is asked of it; closing again does nothing.
pub async fn a_closed_store_is_unavailable(world: &World) {
    let ada = world.person("ada").await;
    let store = world.store();
    store.ping().await.unwrap();
    store.close().await;
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.identity().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.new_epoch(world.now()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.devices(ada.user_id).await, Err(StoreError::Unavailable(_))));
    store.close().await;
}
