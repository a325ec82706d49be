//! Receipts in groups: what all have, and how many have the newest.

use futures::future::join_all;
use nudge_proto::ConversationId;

use super::{Person, World};
use crate::store::{Receipt, Role};

/// ada, who made it, and two more.
async fn three(world: &World) -> (Vec<Person>, ConversationId) {
    let people = join_all(["ada", "bob", "eve"].map(|name| world.person(name))).await;
    let group = world.group(people[0], &people[1..]).await;
    (people, group)
}

async fn receipt(world: &World, who: Person) -> Receipt {
    world.wait_s(2);
    world.settle().await;
    *world.receipts(who).await.last().unwrap()
}

/// Delivered and read mean: to and by all others.
pub async fn a_group_waits_for_its_slowest_member(world: &World) {
    let (people, group) = three(world).await;
    let [ada, bob, eve] = people[..] else { panic!() };
    for n in 0..3 {
        world.say(ada, group, format!("{n}")).await;
    }
    world.read(bob, group, 4).await;
    world.read(eve, group, 2).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.delivered.0, told.read.0), (2, 2));
    world.ack_all(eve).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.delivered.0, told.read.0), (4, 2));
    world.read(eve, group, 4).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.delivered.0, told.read.0), (4, 4));
}

/// Who sent something newer is counted for that.
pub async fn a_group_counts_for_the_newest_own_message(world: &World) {
    let (people, group) = three(world).await;
    let [ada, bob, eve] = people[..] else { panic!() };
    let first = world.say(ada, group, "first").await;
    world.ack_all(bob).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.newest_own, told.delivered_count, told.read_count), (first.seq, 1, 0));
    world.read(eve, group, first.seq.0).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.newest_own, told.delivered_count, told.read_count), (first.seq, 2, 1));
    let second = world.say(ada, group, "second").await;
    world.ack_all(bob).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.newest_own, told.delivered_count, told.read_count), (second.seq, 1, 0));
    assert_eq!((told.delivered, told.read.0), (first.seq, 0), "bob has read nothing");
}

/// Whom the others waited for alone.
pub async fn who_leaves_holds_no_receipt_back(world: &World) {
    let (people, group) = three(world).await;
    let [ada, bob, eve] = people[..] else { panic!() };
    let sent = world.say(ada, group, "hello").await;
    world.read(bob, group, sent.seq.0).await;
    assert_eq!(receipt(world, ada).await.read.0, 0, "eve has not read it");
    world.remove(eve, group, eve).await;
    assert_eq!(receipt(world, ada).await.read, sent.seq);
}

/// What was said before is not his to receive.
pub async fn who_joins_later_holds_no_receipt_back(world: &World) {
    let (people, group) = three(world).await;
    let [ada, bob, eve] = people[..] else { panic!() };
    let sent = world.say(ada, group, "hello").await;
    let fay = world.person("fay").await;
    world.add(ada, group, fay, Role::Member).await;
    world.read(bob, group, sent.seq.0).await;
    world.read(eve, group, sent.seq.0).await;
    let told = receipt(world, ada).await;
    assert_eq!((told.delivered, told.read), (sent.seq, sent.seq));
    assert_eq!((told.delivered_count, told.read_count), (3, 3));
}
