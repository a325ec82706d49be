//! Retention: what goes, when, and how it is said.

use futures::future::join_all;
use nudge_proto::{ConversationId, InboxSeq};

use super::{Person, World, unlimited};
use crate::store::{Retention, Send, StoreError};

async fn two(world: &World) -> (Person, Person, ConversationId) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    (ada, bob, world.direct(ada, bob).await)
}

const fn days(days: u32) -> Retention {
    Retention { history_days: Some(days), ..unlimited() }
}

const fn until_acked() -> Retention {
    Retention { until_acked: true, ..unlimited() }
}

/// Inbox and history agree, and the head stands.
pub async fn aged_history_goes_and_is_said_to_be_gone(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let old = world.say(ada, direct, "old").await;
    world.wait_days(5);
    world.say(ada, direct, "young").await;
    assert_eq!(world.sweep(days(6)).await.messages, 0);
    let swept = world.sweep(days(4)).await;
    assert_eq!((swept.messages, swept.inbox_entries), (1, 2));
    for who in [ada, bob] {
        let page = world.inbox(who, 0).await;
        assert_eq!((page.first_kept, page.head), (InboxSeq(2), InboxSeq(2)));
        assert!(page.truncated());
        assert_eq!(world.texts(who).await, ["young"]);
        assert_eq!(world.history(who, direct).await, ["young"]);
        let gone = world.store().message(who.user_id, old.message_id, world.now()).await;
        assert_eq!(gone.unwrap_err(), StoreError::NotFound("message"));
    }
    assert_eq!(world.view(bob, direct).await.unwrap().unread_count, 1);
}

/// When the operator says so.
pub async fn history_can_be_kept_for_ever(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "for ever").await;
    world.wait_days(5000);
    let swept = world.sweep(unlimited()).await;
    assert_eq!((swept.messages, swept.inbox_entries), (0, 0));
    assert_eq!(world.texts(bob).await, ["for ever"]);
}

/// At its time for every reader; the sweep only makes room.
pub async fn an_expired_message_goes_from_everywhere(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let kept = world.say(ada, direct, "stays").await;
    let draft = Send { ttl_s: Some(60), ..world.draft(ada, direct, "goes") };
    let sent = world.send(draft.clone()).await.unwrap();
    let seen = world.store().message(bob.user_id, sent.message_id, world.now()).await.unwrap();
    assert_eq!(seen.expires_at.unwrap().0, draft.now.0 + 60_000);
    world.wait_s(60);
    for swept in [false, true] {
        if swept {
            let swept = world.sweep(unlimited()).await;
            assert_eq!((swept.messages, swept.inbox_entries), (1, 2));
        }
        for who in [ada, bob] {
            assert_eq!(world.texts(who).await, ["stays"]);
            assert_eq!(world.history(who, direct).await, ["stays"]);
            let gone = world.store().message(who.user_id, sent.message_id, world.now()).await;
            assert_eq!(gone.unwrap_err(), StoreError::NotFound("message"));
            let view = world.view(who, direct).await.unwrap();
            assert_eq!(view.last_message.unwrap().id, kept.message_id);
        }
    }
}

/// Of every member; the sender is one.
pub async fn until_acked_waits_for_every_active_device(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let tablet = world.device_of(bob.user_id).await;
    world.say(ada, direct, "one").await;
    world.say(ada, direct, "two").await;
    world.ack(ada, InboxSeq(2)).await.unwrap();
    world.ack(bob, InboxSeq(2)).await.unwrap();
    world.ack(tablet, InboxSeq(1)).await.unwrap();
    let swept = world.sweep(until_acked()).await;
    assert_eq!((swept.messages, swept.inbox_entries), (1, 3));
    assert_eq!(world.texts(bob).await, ["two"]);
    assert!(world.inbox(bob, 0).await.truncated() && !world.inbox(bob, 1).await.truncated());
    assert_eq!(world.history(ada, direct).await, ["two"], "one is gone for all");
    world.ack(tablet, InboxSeq(2)).await.unwrap();
    world.sweep(until_acked()).await;
    assert!(world.history(ada, direct).await.is_empty());
    assert_eq!(world.say(bob, direct, "three").await.inbox_seq, InboxSeq(3));
}

/// From the moment it is revoked.
pub async fn until_acked_a_revoked_device_holds_nothing_back(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let lost = world.device_of(bob.user_id).await;
    world.say(ada, direct, "hello").await;
    world.ack_all(ada).await;
    world.ack_all(bob).await;
    world.sweep(until_acked()).await;
    assert_eq!(world.texts(bob).await, ["hello"], "the other device has not got it");
    let store = world.store();
    store.revoke_device(bob.user_id, lost.device_id, world.now()).await.unwrap();
    world.sweep(until_acked()).await;
    assert_eq!(world.texts(bob).await, Vec::<String>::new());
}

/// Nobody has acknowledged it.
pub async fn until_acked_mail_without_an_active_device_keeps_its_time(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let store = world.store();
    world.say(ada, direct, "hello").await;
    world.ack_all(ada).await;
    world.ack_all(bob).await;
    store.revoke_device(bob.user_id, bob.device_id, world.now()).await.unwrap();
    world.sweep(until_acked()).await;
    assert_eq!(world.texts(bob).await, ["hello"]);
    world.wait_days(3);
    world.sweep(Retention { history_days: Some(2), ..until_acked() }).await;
    assert_eq!(world.texts(bob).await, Vec::<String>::new());
}

/// No step keeps the writers waiting for long.
pub async fn a_step_is_bounded_and_says_that_there_is_more(world: &World) {
    let (ada, _, direct) = two(world).await;
    let sends = (0..2500).map(|n| {
        let draft = world.draft(ada, direct, &format!("{n}"));
        world.send(Send { ttl_s: Some(1), ..draft })
    });
    join_all(sends).await.into_iter().for_each(|sent| assert!(sent.is_ok()));
    world.wait_s(5);
    let (mut steps, mut messages, mut entries) = (0, 0, 0);
    loop {
        let swept = world.store().sweep(unlimited(), world.now()).await.unwrap();
        steps += 1;
        messages += swept.messages;
        entries += swept.inbox_entries;
        assert!(swept.messages <= 1000 && swept.inbox_entries <= 2000, "{swept:?}");
        if !swept.more {
            break;
        }
    }
    assert_eq!((messages, entries), (2500, 5000));
    assert!(steps > 2, "{steps} steps");
}
