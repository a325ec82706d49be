//! Devices and their sessions.

use futures::future::join_all;
use nudge_proto::{DeviceId, InboxSeq, UserId, limits::DEVICES_PER_USER_MAX};

use super::{Person, World};
use crate::store::{OpenDevice, Refresh, Refreshed, StoreError, UnixMs};

fn refresh(world: &World, who: Person, chain: u64, n: u64) -> Refresh {
    Refresh { user_id: who.user_id, device_id: who.device_id, chain, n, now: world.now() }
}

async fn next(world: &World, who: Person, chain: u64, n: u64) -> Option<u64> {
    match world.store().refresh(refresh(world, who, chain, n)).await.unwrap() {
        Refreshed::Next { n, .. } => Some(n),
        Refreshed::Reused | Refreshed::Ended => None,
    }
}

/// A lost answer makes no second device.
pub async fn a_device_opens_once_and_again(world: &World) {
    let ada = world.person("ada").await;
    let open = world.log_in(ada.user_id, 5);
    let first = world.store().open_device(open.clone()).await.unwrap();
    let renamed = OpenDevice { name: "a tablet".to_owned(), ..open.clone() };
    let again = world.store().open_device(renamed).await.unwrap();
    assert!(first.created && !again.created);
    assert_eq!(first.cursor, again.cursor);
    let devices = world.store().devices(ada.user_id).await.unwrap();
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["a phone", "a tablet"], "oldest first");
    let nobody = OpenDevice { user_id: UserId::random(), ..open };
    let unknown = world.store().open_device(nobody).await.unwrap_err();
    assert_eq!(unknown, StoreError::NotFound("user"));
}

/// It reads what was there before from the conversations, and the inbox from there on.
pub async fn a_new_devices_mark_is_the_head(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "one").await;
    world.say(ada, direct, "two").await;
    let open = world.log_in(bob.user_id, 1);
    let tablet = Person { device_id: open.device_id, ..bob };
    let opened = world.store().open_device(open.clone()).await.unwrap();
    assert_eq!(opened.cursor.seq, InboxSeq(2));
    assert_eq!(opened.cursor.epoch, world.store().identity().await.unwrap().epoch);
    // One that was there already goes on from its own mark.
    world.say(ada, direct, "three").await;
    world.ack(tablet, InboxSeq(3)).await.unwrap();
    world.say(ada, direct, "four").await;
    let again = world.store().open_device(open).await.unwrap();
    assert_eq!(again.cursor.seq, InboxSeq(3));
    let acked: Vec<_> =
        world.store().devices(bob.user_id).await.unwrap().iter().map(|it| it.acked.0).collect();
    assert_eq!(acked, [0, 3], "the phone has acknowledged nothing");
}

/// A lost answer must not log a phone out.
pub async fn a_refresh_token_is_answered_again_until_its_successor_is_used(world: &World) {
    let ada = world.person("ada").await;
    for _ in 0..3 {
        assert_eq!(next(world, ada, 1, 1).await, Some(2));
    }
    assert_eq!(next(world, ada, 1, 2).await, Some(3));
    assert_eq!(next(world, ada, 1, 2).await, Some(3));
    assert_eq!(next(world, ada, 1, 3).await, Some(4));
}

/// Whoever has the copy, both are out.
pub async fn a_reused_refresh_token_revokes_the_device(world: &World) {
    let ada = world.person("ada").await;
    next(world, ada, 1, 1).await;
    next(world, ada, 1, 2).await;
    let reused = world.store().refresh(refresh(world, ada, 1, 1)).await.unwrap();
    assert_eq!(reused, Refreshed::Reused);
    assert_eq!(next(world, ada, 1, 3).await, None, "the newest is no good either");
    assert_eq!(world.store().devices(ada.user_id).await.unwrap(), []);
    assert!(world.store().device_states(&[ada.pair()]).await.unwrap()[0].revoked);
}

/// Tokens of another log in are no copies: they only end.
pub async fn a_new_log_in_ends_the_earlier_chain(world: &World) {
    let ada = world.person("ada").await;
    next(world, ada, 1, 1).await;
    let open = OpenDevice { device_id: ada.device_id, ..world.log_in(ada.user_id, 2) };
    world.store().open_device(open).await.unwrap();
    for n in [1, 2] {
        let ended = world.store().refresh(refresh(world, ada, 1, n)).await.unwrap();
        assert_eq!(ended, Refreshed::Ended);
    }
    assert_eq!(next(world, ada, 2, 1).await, Some(2));
    let nobody = Person { user_id: UserId::random(), ..ada };
    let ended = world.store().refresh(refresh(world, nobody, 1, 1)).await.unwrap();
    assert_eq!(ended, Refreshed::Ended);
}

/// An impatient client that asks several times at once is one client.
pub async fn concurrent_refreshes_of_one_token_give_one_successor(world: &World) {
    let ada = world.person("ada").await;
    for n in join_all((0..16).map(|_| next(world, ada, 1, 1))).await {
        assert_eq!(n, Some(2));
    }
    assert_eq!(world.store().devices(ada.user_id).await.unwrap().len(), 1);
}

/// Its id is never taken again, and it acknowledges nothing.
pub async fn a_revoked_device_is_out_for_good(world: &World) {
    let ada = world.person("ada").await;
    let before = world.now();
    let store = world.store();
    assert!(store.revoke_device(ada.user_id, ada.device_id, world.now()).await.unwrap());
    let again = store.revoke_device(ada.user_id, ada.device_id, world.now()).await.unwrap();
    assert!(!again, "it was revoked before");
    let open = OpenDevice { device_id: ada.device_id, ..world.log_in(ada.user_id, 2) };
    assert_eq!(store.open_device(open).await.unwrap_err(), StoreError::DeviceRevoked);
    assert_eq!(next(world, ada, 1, 1).await, None);
    assert_eq!(world.ack(ada, InboxSeq(0)).await, Err(StoreError::DeviceRevoked));
    assert_eq!(store.revoked_since(before).await.unwrap(), [ada.pair()]);
    assert_eq!(store.revoked_since(world.now()).await.unwrap(), []);
    assert_eq!(store.revoked_since(UnixMs(0)).await.unwrap(), [ada.pair()]);
}

/// To anybody else there is no such device.
pub async fn a_device_is_revoked_by_its_user_alone(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let store = world.store();
    for device in [ada.device_id, DeviceId::random()] {
        let refused = store.revoke_device(bob.user_id, device, world.now()).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("device"));
    }
    assert_eq!(store.devices(ada.user_id).await.unwrap().len(), 1);
}

/// Revoking one makes room for another.
pub async fn a_user_has_a_limited_number_of_devices(world: &World) {
    let ada = world.person("ada").await;
    for _ in 1..DEVICES_PER_USER_MAX {
        world.device_of(ada.user_id).await;
    }
    let store = world.store();
    let refused = store.open_device(world.log_in(ada.user_id, 1)).await.unwrap_err();
    let full = StoreError::LimitReached { what: "devices", limit: DEVICES_PER_USER_MAX };
    assert_eq!(refused, full);
    store.revoke_device(ada.user_id, ada.device_id, world.now()).await.unwrap();
    world.device_of(ada.user_id).await;
}

/// Unknown ones are revoked ones, and asking twice is answered twice.
pub async fn the_watch_learns_of_devices_in_the_order_it_asked(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let sent = world.say(ada, direct, "hello").await;
    let revoked = world.device_of(ada.user_id).await;
    let store = world.store();
    store.revoke_device(ada.user_id, revoked.device_id, world.now()).await.unwrap();
    let unknown = (UserId::random(), DeviceId::random());
    let others = (bob.user_id, ada.device_id);
    let asked = [revoked.pair(), bob.pair(), unknown, ada.pair(), others, bob.pair()];
    let states = store.device_states(&asked).await.unwrap();
    let flags: Vec<_> = states.iter().map(|state| state.revoked).collect();
    assert_eq!(flags, [true, false, true, false, true, false]);
    for live in [1, 3, 5] {
        assert_eq!(states[live].head, InboxSeq(1));
        assert_eq!(states[live].newest_message, Some(sent.message_id));
    }
    assert_eq!(store.device_states(&[]).await.unwrap(), []);
}

/// The order of a device's connections: a call gives more than every one that ended before it began.
pub async fn points_rise_whoever_asks_and_over_restarts(world: &World) {
    let mut highest = world.store().next_point().await.unwrap();
    for round in 0..4 {
        let store = world.store();
        let given = join_all((0..50).map(|_| store.next_point())).await;
        let mut given: Vec<_> = given.into_iter().map(Result::unwrap).collect();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 50, "no point is given twice");
        assert!(given[0] > highest, "{:?} came after {highest:?}", given[0]);
        highest = given[49];
        match round {
            0 | 1 => world.reopen().await,
            2 => {
                let epoch = world.store().new_epoch(world.now()).await.unwrap();
                let point = world.store().next_point().await.unwrap();
                assert!(point.epoch == epoch && point > highest);
            }
            _ => {}
        }
    }
}
