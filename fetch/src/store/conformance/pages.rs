//! P3: one order per inbox, and gaps that explain themselves.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::future::join_all;
use nudge_proto::{ConversationId, Cursor, Epoch, InboxSeq};

use super::{Person, World};
use crate::store::{InboxEntry, InboxItem, InboxPage, PageLimits, Retention, Send, StoreError};

const ALL: PageLimits = PageLimits { entries: 500, bytes: 1 << 20 };

async fn two(world: &World) -> (Person, Person, ConversationId) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    (ada, bob, world.direct(ada, bob).await)
}

fn numbers(page: &InboxPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq.0).collect()
}

/// Empty, full, and read to its end.
pub async fn p3_a_page_says_what_it_covers(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let empty = world.inbox(bob, 0).await;
    assert_eq!((empty.after.0, empty.through.0, empty.head.0, empty.first_kept.0), (0, 0, 0, 1));
    assert!(empty.entries.is_empty() && !empty.truncated());
    for n in 0..3 {
        world.say(ada, direct, format!("{n}")).await;
    }
    let page = world.inbox(bob, 1).await;
    assert_eq!((page.after.0, page.through.0, page.head.0, page.first_kept.0), (1, 3, 3, 1));
    assert_eq!(numbers(&page), [2, 3]);
    let end = world.inbox(bob, 3).await;
    assert_eq!((end.after.0, end.through.0, end.head.0), (3, 3, 3));
    assert!(end.entries.is_empty());
}

/// Whatever the limit, also when it is hit exactly.
pub async fn p3_pages_join_without_gap_or_overlap(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..12 {
        world.say(ada, direct, format!("{n}")).await;
    }
    for entries in [1, 2, 3, 5, 11, 12, 13] {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let page = world.page(bob, after, PageLimits { entries, ..ALL }).await.unwrap();
            assert!(page.entries.len() <= entries);
            assert_eq!(page.after.0, after);
            assert!(page.through.0 > after, "a page goes on while there is more");
            seen.extend(numbers(&page));
            after = page.through.0;
            if page.through == page.head {
                break;
            }
        }
        assert_eq!(seen, (1..=12).collect::<Vec<_>>(), "at most {entries} entries a page");
    }
}

/// An entry that is larger than the page comes alone.
pub async fn p3_a_page_is_bounded_by_bytes_and_always_advances(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for length in [100, 5000, 100, 100, 5000, 5000] {
        world.say(ada, direct, &"x".repeat(length)).await;
    }
    let limits = PageLimits { bytes: 4000, ..ALL };
    let (mut after, mut pages) = (0, Vec::new());
    while after < 6 {
        let page = world.page(bob, after, limits).await.unwrap();
        let bytes: usize = page.entries.iter().map(body_bytes).sum();
        assert!(bytes <= 4000 || page.entries.len() == 1, "{bytes} bytes");
        pages.push(numbers(&page));
        after = page.through.0;
    }
    assert_eq!(pages, [vec![1], vec![2], vec![3, 4], vec![5], vec![6]]);
}

fn body_bytes(entry: &InboxEntry) -> usize {
    match &entry.item {
        InboxItem::Message(message) => message.body.len(),
        InboxItem::Change(_) | InboxItem::Receipt(_) => 0,
    }
}

/// Before and after it was swept; its number is not dropped by retention, it is gone.
pub async fn p3_an_expired_message_is_passed_over(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "stays").await;
    world.send(Send { ttl_s: Some(5), ..world.draft(ada, direct, "goes") }).await.unwrap();
    world.say(ada, direct, "stays too").await;
    world.send(Send { ttl_s: Some(5), ..world.draft(ada, direct, "goes too") }).await.unwrap();
    world.wait_s(6);
    for swept in [false, true] {
        if swept {
            assert_eq!(world.sweep(super::unlimited()).await.messages, 2);
        }
        let page = world.inbox(bob, 0).await;
        assert_eq!(numbers(&page), [1, 3], "swept: {swept}");
        assert_eq!((page.through.0, page.head.0, page.first_kept.0), (4, 4, 1));
        // A page that shows nothing still moves the cursor on.
        let page = world.page(bob, 3, PageLimits { entries: 1, ..ALL }).await.unwrap();
        assert_eq!((numbers(&page), page.through.0), (Vec::new(), 4));
    }
}

/// One live receipt, at its newest number.
pub async fn p3_a_superseded_receipt_is_passed_over(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..3 {
        let sent = world.say(ada, direct, format!("{n}")).await;
        world.read(bob, direct, sent.seq.0).await;
        world.settle().await;
        world.wait_s(2);
    }
    let page = world.inbox(ada, 0).await;
    // 1, 3 and 5 are messages; of the receipts 2, 4 and 6 the last stands.
    assert_eq!(numbers(&page), [1, 3, 5, 6]);
    assert_eq!((page.through.0, page.head.0), (6, 6));
    assert_eq!(numbers(&world.inbox(ada, 1).await), [3, 5, 6]);
}

/// `truncated` tells a client that slept through retention.
pub async fn p3_numbers_below_first_kept_are_said_to_be_dropped(world: &World) {
    let (ada, bob, direct) = two(world).await;
    for n in 0..4 {
        world.say(ada, direct, format!("old {n}")).await;
    }
    world.wait_days(3);
    world.say(ada, direct, "new").await;
    let retention = Retention { history_days: Some(2), ..super::unlimited() };
    assert_eq!(world.sweep(retention).await.inbox_entries, 8);
    let page = world.inbox(bob, 0).await;
    assert_eq!((page.first_kept.0, page.through.0, page.head.0), (5, 5, 5));
    assert_eq!(numbers(&page), [5]);
    for (after, truncated) in [(0, true), (3, true), (4, false), (5, false)] {
        assert_eq!(world.inbox(bob, after).await.truncated(), truncated, "after {after}");
    }
}

/// Not even when everything that had numbers is gone, and the store was opened again.
pub async fn p3_numbers_are_never_given_twice(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let before = world.say(ada, direct, "old").await;
    world.wait_days(3);
    world.sweep(Retention { history_days: Some(1), ..super::unlimited() }).await;
    assert!(world.inbox(bob, 0).await.entries.is_empty());
    world.reopen().await;
    let after = world.say(ada, direct, "new").await;
    assert_eq!(after.seq, before.seq.next());
    assert_eq!(after.inbox_seq, before.inbox_seq.next());
    assert_eq!(numbers(&world.inbox(bob, 0).await), [2]);
}

/// A reader who keeps what each page said sees in the end exactly what there is.
pub async fn p3_nothing_appears_later_at_or_below_through(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let (direct, group) = (world.direct(ada, bob).await, world.group(eve, &[ada, bob]).await);
    world.say(ada, direct, "the first").await;
    let done = AtomicBool::new(false);
    let writers = async {
        for round in 0..40 {
            let sends = [(ada, direct), (eve, group), (ada, group), (bob, direct), (bob, group)];
            let sends = sends.map(|(who, into)| world.say(who, into, format!("{round}")));
            let (sent, _) = futures::join!(join_all(sends), world.settle());
            world.read(ada, group, sent[2].seq.0).await;
            world.ack_all(eve).await;
            world.wait_s(1);
        }
        done.store(true, Ordering::Release);
    };
    let reader = async {
        let (mut after, mut seen) = (0, BTreeMap::new());
        loop {
            let last = done.load(Ordering::Acquire);
            let page = world.page(bob, after, PageLimits { entries: 3, ..ALL }).await.unwrap();
            for entry in page.entries {
                assert!(entry.seq.0 > after && entry.seq <= page.through);
                assert!(seen.insert(entry.seq, entry.item).is_none());
            }
            after = page.through.0;
            if last && page.through == page.head {
                return seen;
            }
        }
    };
    let ((), seen) = futures::join!(writers, reader);
    let truth = world.inbox(bob, 0).await;
    for entry in &truth.entries {
        assert_eq!(seen.get(&entry.seq), Some(&entry.item), "number {} was missed", entry.seq);
    }
    // What is not there any more was superseded.
    let live = |seq: &InboxSeq| truth.entries.iter().any(|entry| entry.seq == *seq);
    for (_, item) in seen.iter().filter(|(seq, _)| !live(seq)) {
        assert!(matches!(item, InboxItem::Receipt(_)), "{item:?} vanished");
    }
}

/// All inboxes agree on the order within a conversation, and no number is missing.
pub async fn p3_one_order_for_all_under_concurrent_senders(world: &World) {
    let names = ["ada", "bob", "cyd", "dan"];
    let people = join_all(names.map(|name| world.person(name))).await;
    let group = world.group(people[0], &people[1..]).await;
    let sends = (0..200).map(|n| {
        let draft = world.draft(people[n % 4], group, &format!("{n}"));
        world.send(draft)
    });
    let mut numbers: Vec<_> =
        join_all(sends).await.into_iter().map(|sent| sent.unwrap().seq.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=201).collect::<Vec<_>>());
    let order = world.texts(people[0]).await;
    assert_eq!(order.len(), 200);
    for who in people {
        let page = world.inbox(who, 0).await;
        assert!(page.entries.iter().map(|entry| entry.seq.0).eq(1..=201));
        assert_eq!(world.texts(who).await, order);
    }
}

/// A cursor says which history it belongs to.
pub async fn a_cursor_of_another_epoch_or_above_the_head_reads_nothing(world: &World) {
    let (ada, bob, direct) = two(world).await;
    world.say(ada, direct, "hello").await;
    let refused = world.page(bob, 2, ALL).await;
    assert_eq!(refused.unwrap_err(), StoreError::CursorAhead { given: 2, head: 1 });
    let epoch = world.store().identity().await.unwrap().epoch;
    let elsewhere = Cursor { epoch: Epoch(epoch.0 + 1), seq: InboxSeq(0) };
    let refused = world.store().inbox_page(bob.user_id, elsewhere, ALL, world.now()).await;
    let mismatch = StoreError::EpochMismatch { given: epoch.0 + 1, current: epoch.0 };
    assert_eq!(refused.unwrap_err(), mismatch);
    let nobody = Person { user_id: nudge_proto::UserId::random(), ..bob };
    assert_eq!(world.page(nobody, 0, ALL).await.unwrap_err(), StoreError::NotFound("inbox"));
}
