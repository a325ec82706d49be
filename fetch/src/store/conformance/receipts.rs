//! Delivered and read marks, and the receipt entries that tell of them.

use nudge_proto::{ConversationId, ConversationSeq, InboxSeq};

use super::{Person, World};
use crate::store::{Receipt, UnixMs};

async fn two(world: &World) -> (Person, Person, ConversationId) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    (ada, bob, world.direct(ada, bob).await)
}

/// What a receipt of a direct conversation says.
fn marks(receipt: &Receipt) -> (u64, u64, u64) {
    (receipt.delivered.0, receipt.read.0, receipt.own_read.0)
}

async fn told(world: &World, who: Person) -> Vec<(u64, u64, u64)> {
    world.receipts(who).await.iter().map(marks).collect()
}

/// Any one of them, and only up to what it acknowledged.
pub async fn a_message_counts_as_delivered_when_one_device_has_it(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let tablet = world.device_of(bob.user_id).await;
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    assert!(world.settle().await.is_empty());
    world.ack(tablet, InboxSeq(2)).await.unwrap();
    let moved = world.settle().await;
    assert_eq!(moved.len(), 1);
    assert_eq!((moved[0].user_id, moved[0].except_device_id), (ada.user_id, None));
    assert_eq!(told(world, ada).await, [(2, 0, 0)]);
    assert_eq!(world.marks_of(ada, direct, bob).await, (2, 0));
    // The other device is behind, and changes nothing.
    world.ack(bob, InboxSeq(1)).await.unwrap();
    world.wait_s(2);
    assert!(world.settle().await.is_empty());
}

/// What was read was delivered; nothing is read that was not said.
pub async fn reading_moves_both_marks_and_never_back(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    assert_eq!(world.read(bob, direct, 2).await, 0);
    assert_eq!(world.marks_of(ada, direct, bob).await, (2, 2));
    assert_eq!(world.read(bob, direct, 1).await, 2, "where it stood before");
    assert_eq!(world.marks_of(ada, direct, bob).await, (2, 2));
    assert_eq!(world.read(bob, direct, u64::MAX).await, 2);
    assert_eq!(world.marks_of(ada, direct, bob).await, (3, 3), "the head, and no further");
    assert_eq!(world.marks_of(bob, direct, ada).await, (0, 0), "only the own marks move");
    let group = world.group(ada, &[bob]).await;
    world.read(bob, group, 99).await;
    assert_eq!(world.marks_of(ada, group, bob).await, (1, 1));
}

/// One live entry, the newest; what moves within the second waits for its end.
pub async fn a_receipt_supersedes_the_one_before_at_most_once_a_second(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    world.ack(bob, InboxSeq(1)).await.unwrap();
    assert_eq!(world.settle().await.len(), 1);
    for seq in [2, 3] {
        world.ack(bob, InboxSeq(seq)).await.unwrap();
        assert!(world.settle().await.is_empty(), "a second has not passed");
    }
    assert_eq!(told(world, ada).await, [(1, 0, 0)]);
    world.wait_s(1);
    assert_eq!(world.settle().await.len(), 1);
    assert_eq!(told(world, ada).await, [(3, 0, 0)], "both moves in one entry");
    assert_eq!(world.head(ada).await, InboxSeq(5));
}

/// However far it was ahead: neither what was due then waits for it, nor what moves later.
pub async fn a_clock_that_was_ahead_holds_no_receipt_back(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..4 {
        world.say(ada, direct, format!("{n}")).await;
    }
    world.wait_days(40);
    world.ack(bob, InboxSeq(1)).await.unwrap();
    assert_eq!(world.settle().await.len(), 1);
    world.ack(bob, InboxSeq(2)).await.unwrap();
    world.set_back_s(40 * 24 * 3600);
    assert_eq!(world.settle().await.len(), 1);
    world.wait_s(1);
    world.ack(bob, InboxSeq(3)).await.unwrap();
    world.wait_s(1);
    assert_eq!(world.settle().await.len(), 1);
    assert_eq!(told(world, ada).await, [(3, 0, 0)]);
    world.wait_days(40);
    world.read(bob, direct, 1).await;
    assert_eq!(world.settle().await.len(), 2);
    world.set_back_s(40 * 24 * 3600);
    world.ack(bob, InboxSeq(4)).await.unwrap();
    world.wait_s(1);
    assert_eq!(world.settle().await.len(), 1, "the last receipt is in the future");
    assert_eq!(told(world, ada).await, [(4, 1, 0)]);
}

/// An inbox in which only a receipt is acknowledged moves nobody else's.
pub async fn receipts_cause_no_receipts(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "hello").await;
    world.ack_all(bob).await;
    assert_eq!(world.settle().await.len(), 1);
    for _ in 0..3 {
        world.wait_s(2);
        world.ack_all(ada).await;
        world.ack_all(bob).await;
        assert!(world.settle().await.is_empty());
    }
    assert_eq!((world.head(ada).await.0, world.head(bob).await.0), (2, 1));
}

/// So that a phone stops showing what was read on the laptop.
pub async fn the_own_read_mark_is_told_to_the_own_devices(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "hello").await;
    world.read(bob, direct, 1).await;
    let moved = world.settle().await;
    assert_eq!(moved.len(), 2);
    assert_eq!(told(world, bob).await, [(0, 0, 1)]);
    assert_eq!(told(world, ada).await, [(1, 1, 0)]);
}

/// The caller sleeps until then.
pub async fn settling_says_when_the_next_receipt_is_due(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let eve = world.person("eve").await;
    let other = world.direct(ada, eve).await;
    let settle = || async { world.store().settle_receipts(world.now()).await.unwrap() };
    assert_eq!(settle().await, (vec![], None));
    world.say(ada, direct, "one").await;
    world.say(ada, direct, "two").await;
    world.say(ada, other, "three").await;
    world.read(bob, direct, 1).await;
    assert_eq!(settle().await.1, None, "nothing is left");
    world.read(bob, direct, 2).await;
    let (moved, next) = settle().await;
    assert!(moved.is_empty());
    let next = next.unwrap();
    assert!(next > world.now());
    // Another conversation waits for nobody.
    world.read(eve, other, 1).await;
    let (moved, still) = settle().await;
    assert!(!moved.is_empty());
    assert_eq!(still, Some(next));
    world.wait_s(1);
    assert!(!settle().await.0.is_empty());
}

/// Nobody waits for the time that passed twice.
pub async fn a_clock_that_went_back_delays_receipts_by_a_second_at_most(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "one").await;
    world.say(ada, direct, "two").await;
    world.read(bob, direct, 1).await;
    world.settle().await;
    let (store, earlier) = (world.store(), UnixMs(world.now().0 - 3_600_000));
    let seq = ConversationSeq(2);
    store.mark_read(bob.user_id, direct, seq, earlier).await.unwrap();
    let (moved, _) = store.settle_receipts(UnixMs(earlier.0 + 1000)).await.unwrap();
    assert!(!moved.is_empty());
}

/// The others' marks are told only to who has something to be received.
pub async fn who_sent_nothing_hears_nothing_of_the_others(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "hello").await;
    world.read(ada, direct, 1).await;
    world.ack_all(ada).await;
    world.settle().await;
    assert_eq!(told(world, bob).await, []);
    let reply = world.say(bob, direct, "hello back").await;
    world.wait_s(2);
    world.ack_all(ada).await;
    world.settle().await;
    let receipts = world.receipts(bob).await;
    assert_eq!(receipts[0].delivered, ConversationSeq(2));
    assert_eq!(receipts[0].delivered, reply.seq);
}
