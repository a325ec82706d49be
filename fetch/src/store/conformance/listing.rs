//! Conversations and their history, as one user sees them.

use futures::future::join_all;
use nudge_proto::{
    ConversationSeq,
    limits::{BODY_BYTES_MAX, PAGE_BYTES_MAX, UNREAD_COUNT_MAX},
};

use super::{Person, World};
use crate::store::{ConversationUpdate, HistoryItem, Role, Send, StoreError, UnixMs};

/// Last message, counts, marks and members, for each reader his own.
pub async fn the_list_shows_what_its_reader_may_see(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (direct, group) = (world.direct(ada, bob).await, world.group(ada, &[bob]).await);
    world.say(ada, direct, "hello").await;
    let newest = world.say(bob, direct, "hello back").await;
    world.ack_all(ada).await;
    let list = world.store().conversations(ada.user_id, None, 10, world.now()).await.unwrap();
    assert_eq!((list.conversations.len(), list.more), (2, false));
    let seen = list.conversations.iter().find(|view| view.id == direct).unwrap();
    assert_eq!(seen.last_message.as_ref().unwrap().id, newest.message_id);
    assert_eq!((seen.head.0, seen.unread_count, seen.own_read.0), (2, 1, 0));
    assert_eq!((seen.own_delivered.0, seen.members.len(), seen.is_member), (2, 2, true));
    let group_seen = list.conversations.iter().find(|view| view.id == group).unwrap();
    assert_eq!((group_seen.member_count, group_seen.members.len()), (2, 0));
    assert_eq!((&group_seen.last_message, group_seen.unread_count), (&None, 0));
}

/// Pages join, and the last says so.
pub async fn the_list_is_paged_by_id(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(world.group(ada, &[bob]).await);
    }
    made.sort_unstable();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let list = world.store().conversations(ada.user_id, after, 3, world.now()).await.unwrap();
        seen.extend(list.conversations.iter().map(|view| view.id));
        after = seen.last().copied();
        if !list.more {
            break;
        }
        assert_eq!(list.conversations.len(), 3);
    }
    assert_eq!(seen, made);
}

/// Long last messages make it more pages, and nothing is left out.
pub async fn the_list_is_bounded_by_bytes_and_always_advances(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let long = "x".repeat(BODY_BYTES_MAX);
    let mut made = Vec::new();
    for n in 0..40 {
        let group = world.group(ada, &[bob]).await;
        if n % 2 == 0 {
            world.say(ada, group, &long).await;
        }
        made.push(group);
    }
    made.sort_unstable();
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let list = world.store().conversations(bob.user_id, after, 100, world.now()).await.unwrap();
        let messages = list.conversations.iter().filter_map(|view| view.last_message.as_ref());
        assert!(messages.map(|message| message.body.len()).sum::<usize>() <= PAGE_BYTES_MAX);
        seen.extend(list.conversations.iter().map(|view| view.id));
        (after, pages) = (seen.last().copied(), pages + 1);
        if !list.more {
            break;
        }
    }
    assert_eq!((seen, pages), (made, 2));
}

/// A new device reads the list first, and its inbox from there on: it may find a message in both, and misses
/// none. A store that fans out in a transaction of its own shows it in the list a moment earlier.
pub async fn the_list_carries_the_head_of_its_own_snapshot(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let writer = async {
        for n in 0..60 {
            world.say(ada, direct, format!("{n}")).await;
        }
    };
    let reader = async {
        for _ in 0..60 {
            let list = world.store().conversations(bob.user_id, None, 9, world.now()).await;
            let list = list.unwrap();
            let seen = list.conversations.first().map_or(0, |view| view.head.0);
            assert!(list.cursor.seq.0 <= seen, "{} of {seen} messages", list.cursor.seq);
        }
    };
    futures::join!(writer, reader);
}

/// Neither own messages, nor changes, nor what expired.
pub async fn unread_counts_what_others_said_above_the_read_mark(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let group = world.group(ada, &[bob]).await;
    world.say(ada, group, "one").await;
    world.send(Send { ttl_s: Some(5), ..world.draft(ada, group, "two") }).await.unwrap();
    world.say(bob, group, "my own").await;
    world.add(ada, group, eve, Role::Member).await;
    let last = world.say(ada, group, "three").await;
    let unread = async |who| world.view(who, group).await.unwrap().unread_count;
    assert_eq!((unread(bob).await, unread(ada).await, unread(eve).await), (3, 1, 1));
    world.wait_s(6);
    assert_eq!(unread(bob).await, 2);
    world.read(bob, group, 2).await;
    assert_eq!(unread(bob).await, 1);
    world.read(bob, group, last.seq.0).await;
    assert_eq!((unread(bob).await, unread(ada).await), (0, 1), "each has his own mark");
}

/// Beyond it nobody cares.
pub async fn unread_is_counted_up_to_its_limit(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    join_all((0..UNREAD_COUNT_MAX + 5).map(|_| world.say(ada, direct, "knock"))).await;
    assert_eq!(world.view(bob, direct).await.unwrap().unread_count, UNREAD_COUNT_MAX);
}

/// And for nobody else.
pub async fn a_conversation_is_muted_for_one_member(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    let _ = world.mute(bob, group, UnixMs(77)).await.unwrap();
    assert_eq!(world.view(bob, group).await.unwrap().muted_until, UnixMs(77));
    assert_eq!(world.view(ada, group).await.unwrap().muted_until, UnixMs(0));
    let _ = world.mute(bob, group, UnixMs(0)).await.unwrap();
    assert_eq!(world.view(bob, group).await.unwrap().muted_until, UnixMs(0));
}

/// What the title's refusal would leave half done is not begun.
pub async fn a_refused_title_mutes_nothing(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    let both = ConversationUpdate { title: Some("x".to_owned()), muted_until: Some(UnixMs(77)) };
    let update = async |who: Person| {
        world.store().update_conversation(who.pair(), group, both.clone(), world.now()).await
    };
    assert!(matches!(update(bob).await, Err(StoreError::Forbidden { .. })));
    assert_eq!(world.view(bob, group).await.unwrap().muted_until, UnixMs(0));
    assert_eq!(update(ada).await.unwrap().moved.len(), 2);
    let view = world.view(ada, group).await.unwrap();
    assert_eq!((&*view.title, view.muted_until), ("x", UnixMs(77)));
}

/// Bounded by count and by bytes, down to the beginning.
pub async fn history_is_newest_first_and_paged(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    for n in 1..=8 {
        world.say(ada, direct, format!("{n}{}", "x".repeat(n * 60 * 1024 / 8))).await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page =
            world.store().history(bob.user_id, direct, before, 3, world.now()).await.unwrap();
        seen.extend(page.items.iter().map(|item| match item {
            HistoryItem::Message(message) => message.seq.0,
            HistoryItem::Change(change) => change.seq.0,
        }));
        assert!(page.items.len() <= 3);
        let Some(next) = page.next_before else { break };
        before = Some(next);
    }
    assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2, 1]);
    let from = Some(ConversationSeq(1));
    let nothing = world.store().history(bob.user_id, direct, from, 3, world.now()).await.unwrap();
    assert!(nothing.items.is_empty() && nothing.next_before.is_none());
    let eve = world.person("eve").await;
    let refused = world.store().history(eve.user_id, direct, None, 3, world.now()).await;
    assert_eq!(refused.unwrap_err(), StoreError::NotFound("conversation"));
}
