//! What the operator asks: never content, and true.

use nudge_proto::{ConversationSeq, InboxSeq, MessageId};

use super::{Person, World, unlimited};
use crate::store::{ConversationKind, MediumStory, MessageStory, Passed, RecipientStory, Span};

async fn story(world: &World, id: MessageId) -> MessageStory {
    world.store().message_story(id).await.unwrap().unwrap()
}

fn of(story: &MessageStory, who: Person) -> &RecipientStory {
    story.recipients.iter().find(|recipient| recipient.user_id == who.user_id).unwrap()
}

/// Where it is, and how far it came with each who may see it.
pub async fn a_messages_story_follows_it_from_send_to_read(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let tablet = world.device_of(bob.user_id).await;
    let group = world.group(ada, &[bob]).await;
    let sent = world.say(ada, group, "hello").await;
    world.add(ada, group, eve, crate::store::Role::Member).await;
    let told = story(world, sent.message_id).await;
    assert_eq!(
        (told.conversation_id, told.kind, told.seq),
        (group, ConversationKind::Group, sent.seq)
    );
    assert_eq!((told.sender_id, told.sent_at), (ada.user_id, sent.sent_at));
    assert_eq!((told.expires_at, told.refused), (None, false));
    assert!(told.client_id.is_some());
    let who: Vec<_> = told.recipients.iter().map(|recipient| recipient.user_id).collect();
    let mut members = vec![ada.user_id, bob.user_id];
    members.sort_unstable();
    assert_eq!(who, members, "eve came later");
    assert_eq!(of(&told, ada).inbox_seq, Some(sent.inbox_seq));
    let waiting = of(&told, bob);
    let entry = waiting.inbox_seq.unwrap();
    assert_eq!(waiting.handle, "bob");
    assert_eq!((waiting.delivered, waiting.read, waiting.is_member), (false, false, true));
    assert_eq!(waiting.devices.len(), 2);
    world.ack(tablet, entry).await.unwrap();
    let told = story(world, sent.message_id).await;
    let delivered = of(&told, bob);
    assert_eq!((delivered.delivered, delivered.read), (true, false));
    assert!(delivered.devices.contains(&(tablet.device_id, entry)));
    world.read(bob, group, sent.seq.0).await;
    assert!(of(&story(world, sent.message_id).await, bob).read);
    world.remove(ada, group, bob).await;
    let left = story(world, sent.message_id).await;
    assert!(!of(&left, bob).is_member, "he was one when it was sent");
}

/// What has no story, and what is missing in one.
pub async fn a_story_says_what_is_gone(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let medium = world.medium(ada).await;
    let sent = world.show(ada, direct, medium).await.unwrap();
    let told = story(world, sent.message_id).await;
    assert_eq!(told.media.len(), 1);
    assert!(matches!(told.media[0], MediumStory { id, size: Some(_) } if id == medium));
    assert_eq!(world.store().message_story(MessageId::random()).await.unwrap(), None);
    let mut short = world.draft(ada, direct, "soon gone");
    short.ttl_s = Some(1);
    let short = world.send(short).await.unwrap();
    assert!(story(world, short.message_id).await.expires_at.is_some());
    world.wait_s(2);
    world.sweep(unlimited()).await;
    assert_eq!(world.store().message_story(short.message_id).await.unwrap(), None);
    world.block(bob, ada).await;
    let refused = world.say(ada, direct, "unheard").await;
    let told = story(world, refused.message_id).await;
    assert!(told.refused);
    assert_eq!(of(&told, bob).inbox_seq, None);
}

/// Messages of others, and of those only what is in the span.
pub async fn what_a_mark_passed_over_is_told_by_span(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let first = world.say(ada, direct, "one").await;
    world.say(bob, direct, "own").await;
    let third = world.say(ada, direct, "three").await;
    world.say(ada, direct, "four").await;
    let inbox = |above, through| Span::Inbox {
        user_id: bob.user_id,
        above: InboxSeq(above),
        through: InboxSeq(through),
    };
    let read = |above: u64, through| Span::Conversation {
        user_id: bob.user_id,
        conversation_id: direct,
        above: ConversationSeq(above),
        through,
    };
    assert_eq!(world.read(bob, direct, third.seq.0).await, 0);
    let spans = [
        inbox(0, 1),
        inbox(1, 3),
        read(first.seq.0, third.seq),
        inbox(9, 12),
        read(third.seq.0, ConversationSeq(99)),
    ];
    let mut passed = world.store().passed(&spans).await.unwrap();
    passed.sort_unstable_by_key(|passed| passed.span);
    let expected = [(0, first), (1, third), (2, third)].map(|(span, sent)| Passed {
        span,
        message_id: sent.message_id,
        sent_at: sent.sent_at,
    });
    assert_eq!(passed, expected);
    assert_eq!(world.store().passed(&[]).await.unwrap(), []);
}

/// How much there is.
pub async fn stats_count_what_is_there(world: &World) {
    let before = world.store().stats().await.unwrap();
    assert_eq!((before.users, before.messages, before.media), (0, 0, 0));
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let tablet = world.device_of(bob.user_id).await;
    let direct = world.direct(ada, bob).await;
    let medium = world.medium(ada).await;
    world.show(ada, direct, medium).await.unwrap();
    world.say(ada, direct, "hello").await;
    world.store().revoke_device(bob.user_id, tablet.device_id, world.now()).await.unwrap();
    world.ack_all(bob).await;
    let stats = world.store().stats().await.unwrap();
    assert_eq!((stats.users, stats.devices, stats.conversations), (2, 2, 1));
    assert_eq!((stats.messages, stats.inbox_numbers), (2, 4));
    assert_eq!((stats.media, stats.uploads), (1, 0));
    assert!(stats.media_bytes > 0);
    assert_eq!((stats.receipts_due, stats.deletions), (1, 0));
    world.store().begin_deletion(bob.user_id, world.now()).await.unwrap();
    let stats = world.store().stats().await.unwrap();
    assert_eq!((stats.users, stats.deletions), (1, 1));
}
