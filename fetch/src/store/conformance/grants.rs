//! Who may read a medium: whoever may see a message that names it.

use nudge_proto::MediumId;

use super::{Person, World, media_kept, unlimited};
use crate::store::{HistoryItem, InboxItem, Retention, Role, Send, StoreError};

async fn three(world: &World) -> (Person, Person, Person) {
    (world.person("ada").await, world.person("bob").await, world.person("eve").await)
}

/// Half a medium is none.
pub async fn p6_a_medium_is_sent_and_read_only_when_complete(world: &World) {
    let (ada, bob, _) = three(world).await;
    let direct = world.direct(ada, bob).await;
    let new = world.new_upload(ada, 10);
    let id = new.id;
    world.store().create_upload(new).await.unwrap();
    world.append(ada, id, 0, 10).await;
    assert_eq!(world.show(ada, direct, id).await, Err(StoreError::NotFound("medium")));
    assert!(!world.may_read(ada, id).await);
    world.complete(id).await.unwrap();
    world.show(ada, direct, id).await.unwrap();
    assert!(world.may_read(bob, id).await);
}

/// Its uploader, and the members of the conversations it was sent to.
pub async fn p8_a_medium_is_read_by_who_may_see_its_message(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let direct = world.direct(ada, bob).await;
    let medium = world.medium(ada).await;
    assert!(world.may_read(ada, medium).await);
    assert!(!world.may_read(bob, medium).await, "it was not sent yet");
    world.show(ada, direct, medium).await.unwrap();
    assert!(world.may_read(bob, medium).await);
    assert!(!world.may_read(eve, medium).await);
    assert!(!world.may_read(ada, MediumId::random()).await);
}

/// Like history: nothing from before, nothing from after, and what was seen stays.
pub async fn p8_a_medium_follows_the_intervals_of_membership(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob]).await;
    let (before, during, after) =
        (world.medium(ada).await, world.medium(ada).await, world.medium(ada).await);
    world.show(ada, group, before).await.unwrap();
    world.add(ada, group, eve, Role::Member).await;
    world.show(ada, group, during).await.unwrap();
    world.remove(ada, group, eve).await;
    world.show(ada, group, after).await.unwrap();
    for (medium, expected) in [(before, false), (during, true), (after, false)] {
        assert_eq!(world.may_read(eve, medium).await, expected);
        assert!(world.may_read(bob, medium).await);
    }
}

/// A recipient passes on what he may read, without uploading it again.
pub async fn forwarding_moves_no_bytes_and_needs_the_right_to_read(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let (first, second) = (world.direct(ada, bob).await, world.direct(bob, eve).await);
    let medium = world.medium(ada).await;
    assert_eq!(world.show(bob, second, medium).await, Err(StoreError::NotFound("medium")));
    world.show(ada, first, medium).await.unwrap();
    world.show(bob, second, medium).await.unwrap();
    assert!(world.may_read(eve, medium).await);
    let third = world.group(eve, &[]).await;
    world.show(eve, third, medium).await.unwrap();
}

/// Also before it is swept; another message that names the medium goes on granting it.
pub async fn a_grant_ends_with_its_messages_time_to_live(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let (to_bob, to_eve) = (world.direct(ada, bob).await, world.direct(ada, eve).await);
    let medium = world.medium(ada).await;
    let brief =
        Send { media: vec![medium], ttl_s: Some(60), ..world.draft(ada, to_bob, "for a minute") };
    world.send(brief).await.unwrap();
    world.show(ada, to_eve, medium).await.unwrap();
    assert!(world.may_read(bob, medium).await);
    world.wait_s(61);
    assert!(!world.may_read(bob, medium).await);
    world.sweep(unlimited()).await;
    assert!(!world.may_read(bob, medium).await);
    assert!(world.may_read(eve, medium).await && world.may_read(ada, medium).await);
}

/// In the inbox, in the history and by the message's id.
pub async fn media_keep_their_order(world: &World) {
    let (ada, bob, _) = three(world).await;
    let direct = world.direct(ada, bob).await;
    let mut media = vec![world.medium(ada).await, world.medium(ada).await, world.medium(ada).await];
    media.sort_unstable();
    media.swap(0, 2);
    let draft = Send { media: media.clone(), ..world.draft(ada, direct, "three") };
    let sent = world.send(draft).await.unwrap();
    world.show(ada, direct, media[1]).await.unwrap();
    let by_id = world.store().message(bob.user_id, sent.message_id, world.now()).await.unwrap();
    assert!(by_id.media.iter().map(|medium| medium.id).eq(media.iter().copied()));
    let page = world.inbox(bob, 0).await;
    assert_eq!(page.entries[0].item, InboxItem::Message(Box::new(by_id.clone())));
    let history = world.store().history(bob.user_id, direct, None, 10, world.now()).await.unwrap();
    assert_eq!(history.items[1], HistoryItem::Message(by_id));
}

/// Whatever acks and the history's retention do.
pub async fn a_medium_lives_on_from_its_last_message(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let direct = world.direct(ada, bob).await;
    let (unnamed, named) = (world.medium(ada).await, world.medium(ada).await);
    world.wait_days(media_kept() - 1);
    world.show(ada, direct, named).await.unwrap();
    world.wait_days(2);
    assert_eq!(world.sweep(unlimited()).await.media, [unnamed]);
    assert!(!world.may_read(ada, unnamed).await);
    let short = Retention { history_days: Some(1), until_acked: true, ..unlimited() };
    world.sweep(short).await;
    assert!(world.texts(bob).await.is_empty(), "the message is gone");
    assert!(world.may_read(bob, named).await, "the medium is not");
    // Forwarded in time, it lives its full time again.
    let onward = world.direct(bob, eve).await;
    world.wait_days(media_kept() - 3);
    world.show(bob, onward, named).await.unwrap();
    world.wait_days(media_kept() - 1);
    assert!(world.sweep(unlimited()).await.media.is_empty());
    assert!(world.may_read(eve, named).await);
    world.wait_days(2);
    assert_eq!(world.sweep(unlimited()).await.media, [named]);
    assert!(!world.may_read(eve, named).await);
}
