//! Blocks: what one refused is never shown to him, and its sender cannot tell.

use nudge_proto::{ConversationId, UserId};

use super::{Person, World};
use crate::store::StoreError;

async fn two(world: &World) -> (Person, Person, ConversationId) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    (ada, bob, world.direct(ada, bob).await)
}

/// Neither in the inbox, nor in the history, nor by its id, nor as a count, nor its media.
pub async fn what_a_block_refused_is_never_shown(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let shown = world.say(ada, direct, "before").await;
    world.block(bob, ada).await;
    let medium = world.medium(ada).await;
    let refused = world.show(ada, direct, medium).await.unwrap();
    assert_refused(world, bob, direct, refused.message_id, shown.message_id).await;
    assert!(!world.may_read(bob, medium).await);
}

/// Unblocking is for what comes.
pub async fn what_a_block_refused_stays_hidden_after_unblocking(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let shown = world.say(ada, direct, "before").await;
    world.block(bob, ada).await;
    let medium = world.medium(ada).await;
    let refused = world.show(ada, direct, medium).await.unwrap();
    world.unblock(bob, ada).await;
    assert_refused(world, bob, direct, refused.message_id, shown.message_id).await;
    assert!(!world.may_read(bob, medium).await);
    let later = world.say(ada, direct, "after").await;
    assert_eq!(world.texts(bob).await, ["before", "after"]);
    assert_eq!(world.history(bob, direct).await, ["before", "after"]);
    let view = world.view(bob, direct).await.unwrap();
    assert_eq!(view.last_message.unwrap().id, later.message_id);
    // Sent again, the medium is his to read.
    world.show(ada, direct, medium).await.unwrap();
    assert!(world.may_read(bob, medium).await);
}

async fn assert_refused(
    world: &World,
    bob: Person,
    direct: ConversationId,
    refused: nudge_proto::MessageId,
    last_shown: nudge_proto::MessageId,
) {
    assert_eq!(world.texts(bob).await, ["before"]);
    assert_eq!(world.head(bob).await.0, 1, "not even a number is spent in his inbox");
    assert_eq!(world.history(bob, direct).await, ["before"]);
    let view = world.view(bob, direct).await.unwrap();
    assert_eq!((view.last_message.unwrap().id, view.unread_count), (last_shown, 1));
    let hidden = world.store().message(bob.user_id, refused, world.now()).await.unwrap_err();
    assert_eq!(hidden, StoreError::NotFound("message"));
}

/// His answer, his inbox, his history and his retries are as ever.
pub async fn the_refused_sender_cannot_tell(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let before = world.say(ada, direct, "before").await;
    world.block(bob, ada).await;
    let draft = world.draft(ada, direct, "during");
    let outcome = world.store().send(draft.clone()).await.unwrap();
    let during = outcome.value;
    assert!(during.created);
    assert_eq!((during.seq, during.inbox_seq), (before.seq.next(), before.inbox_seq.next()));
    assert!(outcome.moved.iter().all(|moved| moved.user_id == ada.user_id), "his own inbox moved");
    assert_eq!(world.texts(ada).await, ["before", "during"]);
    assert_eq!(world.history(ada, direct).await, ["before", "during"]);
    assert_eq!(world.view(ada, direct).await.unwrap().last_message.unwrap().id, during.message_id);
    let medium = world.medium(ada).await;
    world.show(ada, direct, medium).await.unwrap();
    assert!(world.may_read(ada, medium).await);
    // He finds the one who blocks him, and talks to him, as before.
    assert_eq!(world.direct(ada, bob).await, direct);
    let account = world.store().account(bob.user_id).await.unwrap().unwrap();
    assert_eq!(account.user.handle, "bob");
}

/// Not even when its receiver reads what came after, his own words included.
pub async fn what_a_block_refused_is_never_counted_in_receipts(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let shown = world.say(ada, direct, "shown").await;
    world.block(bob, ada).await;
    world.say(ada, direct, "refused").await;
    let own = world.say(bob, direct, "bob's own").await;
    world.ack_all(bob).await;
    world.read(bob, direct, own.seq.0).await;
    world.settle().await;
    let receipts = world.receipts(ada).await;
    let told = receipts.last().map(|receipt| (receipt.delivered, receipt.read));
    assert_eq!(told, Some((shown.seq, shown.seq)), "the refused one is not among the delivered");
    let (delivered, read) = world.marks_of(ada, direct, bob).await;
    assert_eq!((delivered, read), (shown.seq.0, shown.seq.0), "nor in the detail");
    // What comes after the block counts again.
    world.unblock(bob, ada).await;
    let later = world.say(ada, direct, "shown again").await;
    world.read(bob, direct, later.seq.0).await;
    assert_eq!(world.marks_of(ada, direct, bob).await, (later.seq.0, later.seq.0));
    // Reading up to the refused number is reading up to what is shown.
    let eve = world.person("eve").await;
    let other = world.direct(ada, eve).await;
    world.block(eve, ada).await;
    world.say(ada, other, "refused").await;
    assert_eq!(world.direct(eve, ada).await, other);
    world.read(eve, other, 1).await;
    world.settle().await;
    assert!(world.receipts(ada).await.iter().all(|receipt| receipt.conversation_id != other));
    assert_eq!(world.marks_of(ada, other, eve).await, (0, 0));
}

/// The conversation stays unknown until something is let through.
pub async fn a_refused_first_message_introduces_nobody(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    world.block(bob, ada).await;
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "hello?").await;
    assert_eq!(world.view(bob, direct).await.unwrap_err(), StoreError::NotFound("conversation"));
    assert!(world.inbox(bob, 0).await.entries.is_empty());
    world.unblock(bob, ada).await;
    assert!(world.view(bob, direct).await.is_err(), "unblocking shows nothing by itself");
    world.say(ada, direct, "hello!").await;
    assert_eq!(world.history(bob, direct).await, ["hello!"]);
}

/// In a group everybody hears everybody.
pub async fn a_block_ends_nothing_in_groups(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    world.block(bob, ada).await;
    let sent = world.say(ada, group, "all of you").await;
    assert_eq!(world.texts(bob).await, ["all of you"]);
    world.read(bob, group, sent.seq.0).await;
    assert_eq!(world.marks_of(ada, group, bob).await, (2, 2));
}

/// Of live users, and never of oneself.
pub async fn blocking_is_idempotent_and_checked(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let store = world.store();
    for blocked in [true, true, false, false] {
        store.set_block(bob.user_id, ada.user_id, blocked).await.unwrap();
    }
    world.say(ada, direct, "hello").await;
    assert_eq!(world.texts(bob).await, ["hello"]);
    let unknown = store.set_block(bob.user_id, UserId::random(), true).await.unwrap_err();
    assert_eq!(unknown, StoreError::NotFound("user"));
    let himself = store.set_block(bob.user_id, bob.user_id, true).await.unwrap_err();
    assert!(matches!(himself, StoreError::Invalid(_)));
    store.set_block(bob.user_id, UserId::random(), false).await.unwrap();
}
