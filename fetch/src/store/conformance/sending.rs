//! P2: sending is idempotent.

use std::collections::HashSet;

use futures::future::join_all;
use nudge_proto::{ConversationId, InboxSeq, MediumId, limits::BODY_BYTES_MAX};

use super::{Person, World, media_kept, unlimited};
use crate::store::{InboxItem, Retention, Role, Send, Sent, StoreError};

async fn two(world: &World) -> (Person, Person, ConversationId) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    (ada, bob, world.direct(ada, bob).await)
}

/// Asserts that a retry of `draft` answers as `first` did, and that `witness` sees nothing new.
async fn assert_repeats(world: &World, draft: &Send, first: Sent, witness: Person) {
    let head = world.head(witness).await;
    let again = world.store().send(world.retry(draft)).await.unwrap();
    assert_eq!(again.value, Sent { created: false, ..first });
    assert!(again.moved.is_empty(), "a repetition moves nothing: {:?}", again.moved);
    assert_eq!(world.head(witness).await, head);
}

/// However often, and from whichever device.
pub async fn p2_a_retry_answers_as_the_first_did_and_creates_nothing(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let draft = world.draft(ada, direct, "hello");
    let first = world.send(draft.clone()).await.unwrap();
    assert!(first.created);
    world.say(bob, direct, "something in between").await;
    for _ in 0..3 {
        assert_repeats(world, &draft, first, bob).await;
    }
    let tablet = world.device_of(ada.user_id).await;
    assert_repeats(world, &Send { sender: tablet.pair(), ..draft }, first, bob).await;
    assert_eq!(world.texts(bob).await, ["hello", "something in between"]);
}

/// A photo without a caption.
pub async fn an_empty_body_is_a_body(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let draft = Send { media: vec![world.medium(ada).await], ..world.draft(ada, direct, "") };
    let first = world.send(draft.clone()).await.unwrap();
    assert_repeats(world, &draft, first, bob).await;
    assert_eq!(world.texts(bob).await, [""]);
}

/// Each field that a client says counts, and the first content stays.
pub async fn p2_one_id_with_other_content_is_a_conflict(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let (first, second) = (world.medium(ada).await, world.medium(ada).await);
    let draft = Send { media: vec![first, second], ..world.draft(ada, direct, "hello") };
    let sent = world.send(draft.clone()).await.unwrap();
    let others = [
        Send { body: "hullo".into(), ..world.retry(&draft) },
        Send { content_type: "text/html".to_owned(), ..world.retry(&draft) },
        Send { ttl_s: Some(60), ..world.retry(&draft) },
        Send { media: vec![second, first], ..world.retry(&draft) },
        Send { media: vec![first], ..world.retry(&draft) },
    ];
    for other in others {
        let conflict = StoreError::IdempotencyConflict(draft.client_id.uuid());
        assert_eq!(world.send(other).await, Err(conflict));
    }
    assert_repeats(world, &draft, sent, bob).await;
    assert_eq!(world.texts(bob).await, ["hello"]);
}

/// Nobody's id is in anybody else's way.
pub async fn p2_an_id_is_its_senders_and_its_conversations(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let group = world.group(ada, &[bob]).await;
    let draft = world.draft(ada, direct, "from ada");
    world.send(draft.clone()).await.unwrap();
    let bobs = Send { client_id: draft.client_id, ..world.draft(bob, direct, "from bob") };
    assert!(world.send(bobs).await.unwrap().created);
    let elsewhere = Send { client_id: draft.client_id, ..world.draft(ada, group, "to all") };
    assert!(world.send(elsewhere).await.unwrap().created);
    assert_eq!(world.texts(bob).await, ["from ada", "from bob", "to all"]);
}

/// The receipt is looked up before the membership is.
pub async fn p2_a_retry_is_answered_after_leaving_and_after_being_removed(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let group = world.group(ada, &[bob, eve]).await;
    let (bobs, eves) = (world.draft(bob, group, "bye"), world.draft(eve, group, "what?"));
    let (bob_sent, eve_sent) =
        (world.send(bobs.clone()).await.unwrap(), world.send(eves.clone()).await.unwrap());
    world.remove(bob, group, bob).await;
    world.remove(ada, group, eve).await;
    assert_repeats(world, &bobs, bob_sent, ada).await;
    assert_repeats(world, &eves, eve_sent, ada).await;
    let other = Send { body: "other".into(), ..world.retry(&bobs) };
    assert!(matches!(world.send(other).await, Err(StoreError::IdempotencyConflict(_))));
}

/// The receipt is looked up before blocks are, whichever way the first went.
pub async fn p2_a_retry_is_answered_after_a_block(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let before = world.draft(ada, direct, "before the block");
    let before_sent = world.send(before.clone()).await.unwrap();
    world.block(bob, ada).await;
    let during = world.draft(ada, direct, "during the block");
    let during_sent = world.send(during.clone()).await.unwrap();
    assert_repeats(world, &before, before_sent, bob).await;
    assert_repeats(world, &during, during_sent, bob).await;
    world.unblock(bob, ada).await;
    assert_repeats(world, &during, during_sent, bob).await;
    assert_eq!(world.texts(bob).await, ["before the block"]);
}

/// The receipt outlives the message, also when it was swept.
pub async fn p2_a_retry_is_answered_after_the_message_expired(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let draft = Send { ttl_s: Some(60), ..world.draft(ada, direct, "not for long") };
    let sent = world.send(draft.clone()).await.unwrap();
    world.wait_s(61);
    assert_repeats(world, &draft, sent, bob).await;
    assert_eq!(world.sweep(unlimited()).await.messages, 1);
    assert_repeats(world, &draft, sent, bob).await;
    assert_eq!(world.texts(bob).await, Vec::<String>::new());
}

/// The receipt is looked up before the media are.
pub async fn p2_a_retry_is_answered_after_its_medium_is_gone(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let medium = world.medium(ada).await;
    world.wait_days(5);
    let draft = world.draft(ada, direct, "look");
    // The message keeps its medium no longer than the medium keeps itself.
    let draft = Send { media: vec![medium], media_expire_at: draft.now, ..draft };
    let sent = world.send(draft.clone()).await.unwrap();
    world.wait_days(media_kept() - 4);
    assert_eq!(world.sweep(unlimited()).await.media, [medium]);
    assert!(matches!(
        world.send(Send { media: vec![medium], ..world.draft(ada, direct, "again") }).await,
        Err(StoreError::NotFound("medium"))
    ));
    assert_repeats(world, &draft, sent, bob).await;
}

/// And no longer: the id is new again then.
pub async fn p2_a_retry_is_answered_for_thirty_days_whatever_retention_says(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let draft = world.draft(ada, direct, "hello");
    let sent = world.send(draft.clone()).await.unwrap();
    let short = Retention { history_days: Some(1), until_acked: true, media_days: Some(1) };
    world.wait_days(29);
    assert_eq!(world.sweep(short).await.send_receipts, 0);
    assert_eq!(world.texts(bob).await, Vec::<String>::new(), "the history is gone");
    assert_repeats(world, &draft, sent, bob).await;
    world.wait_days(2);
    assert_eq!(world.sweep(short).await.send_receipts, 1);
    let anew = world.send(world.retry(&draft)).await.unwrap();
    assert!(anew.created);
    assert_ne!(anew.message_id, sent.message_id);
}

/// From any number of tasks and devices at once.
pub async fn p2_concurrent_sends_of_one_id_create_one_message(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let tablet = world.device_of(ada.user_id).await;
    let draft = world.draft(ada, direct, "hello");
    let sends = (0..64).map(|n| {
        let sender = if n % 2 == 0 { ada } else { tablet };
        world.send(Send { sender: sender.pair(), ..world.retry(&draft) })
    });
    let sent: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sent.iter().filter(|sent| sent.created).count(), 1);
    let same: HashSet<_> = sent.iter().map(|it| (it.message_id, it.seq, it.inbox_seq)).collect();
    assert_eq!(same.len(), 1, "all are told of the same message");
    assert_eq!(world.texts(bob).await, ["hello"]);
}

/// One content wins, and every send of it is answered; all others are conflicts.
pub async fn p2_concurrent_sends_of_one_id_with_other_contents_let_one_win(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let draft = world.draft(ada, direct, "");
    let sends = (0..60).map(|n| {
        let body = format!("content {}", n % 3).into();
        world.send(Send { body, ..world.retry(&draft) })
    });
    let answers = join_all(sends).await;
    let won = world.texts(bob).await;
    assert_eq!(won.len(), 1);
    for (n, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(_) => assert_eq!(won[0], format!("content {}", n % 3)),
            Err(StoreError::IdempotencyConflict(_)) => {
                assert_ne!(won[0], format!("content {}", n % 3));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whatever shares a commit, each send has its own verdict.
pub async fn p2_a_bad_send_fails_none_of_its_neighbours(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let eve = world.person("eve").await;
    let draft = world.draft(ada, direct, "the first");
    world.send(draft.clone()).await.unwrap();
    let sends = (0..120).map(|n| match n % 6 {
        0 => world.send(world.draft(eve, direct, "a stranger's")),
        1 => world.send(world.draft(ada, ConversationId::random(), "to nowhere")),
        2 => world.send(Send { body: "a conflict".into(), ..world.retry(&draft) }),
        3 => {
            let media = vec![MediumId::random()];
            world.send(Send { media, ..world.draft(ada, direct, "without its medium") })
        }
        4 => world.send(world.retry(&draft)),
        _ => world.send(world.draft(bob, direct, &format!("{n}"))),
    });
    for (n, answer) in join_all(sends).await.into_iter().enumerate() {
        match (n % 6, answer) {
            (0 | 1, Err(StoreError::NotFound("conversation")))
            | (2, Err(StoreError::IdempotencyConflict(_)))
            | (3, Err(StoreError::NotFound("medium"))) => {}
            (4, Ok(sent)) => assert!(!sent.created),
            (5, Ok(sent)) => assert!(sent.created),
            (_, answer) => panic!("send {n} is answered with {answer:?}"),
        }
    }
    let mut texts = world.texts(ada).await;
    assert_eq!(texts.len(), 21);
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 21, "each good one is there once");
}

/// What was refused can be sent under the same id once it is allowed.
pub async fn p2_a_refused_send_leaves_no_receipt(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[]).await;
    let draft = world.draft(bob, group, "let me in");
    assert_eq!(world.send(draft.clone()).await, Err(StoreError::NotFound("conversation")));
    world.add(ada, group, bob, Role::Member).await;
    assert!(world.send(world.retry(&draft)).await.unwrap().created);
}

/// From nothing, alone or beside others, to the most there may be; bytes, not text.
pub async fn a_body_arrives_as_it_was_sent(world: &World) {
    let (ada, bob, direct) = two(world).await;
    let bodies = [vec![], vec![0], vec![0xff; 300], vec![b'x'; BODY_BYTES_MAX], vec![]];
    let body = |body: &Vec<u8>| Send { body: body.clone().into(), ..world.draft(ada, direct, "") };
    world.send(body(&bodies[0])).await.unwrap();
    for sent in join_all(bodies[1..].iter().map(|it| world.send(body(it)))).await {
        sent.unwrap();
    }
    let page = world.inbox(bob, 0).await;
    let arrived = page.entries.iter().map(|entry| match &entry.item {
        InboxItem::Message(message) => &message.body[..],
        other @ (InboxItem::Change(_) | InboxItem::Receipt(_)) => panic!("{other:?}"),
    });
    assert!(arrived.eq(bodies.iter().map(|body| &body[..])));
}

/// And another one in each inbox.
pub async fn a_message_has_one_number_for_all_members(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "for bob").await;
    let group = world.group(ada, &[bob, eve]).await;
    let sent = world.say(bob, group, "for all").await;
    assert_eq!(sent.seq.0, 2, "the group's creation is its first number");
    for (who, inbox_seq) in [(ada, 3), (bob, 3), (eve, 2)] {
        let page = world.inbox(who, 0).await;
        let entry = page.entries.last().unwrap();
        let InboxItem::Message(message) = &entry.item else { panic!("{entry:?}") };
        assert_eq!((message.id, message.seq), (sent.message_id, sent.seq));
        assert_eq!(entry.seq, InboxSeq(inbox_seq));
    }
    assert_eq!(sent.inbox_seq, InboxSeq(3), "the sender is told his own inbox's number");
}

/// Neither a stranger nor one who left.
pub async fn who_is_not_a_member_sends_nothing(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let group = world.group(ada, &[bob]).await;
    world.remove(bob, group, bob).await;
    for who in [bob, eve] {
        let refused = world.send(world.draft(who, group, "hello?")).await;
        assert_eq!(refused, Err(StoreError::NotFound("conversation")));
    }
    assert_eq!(world.texts(ada).await, Vec::<String>::new());
}

/// The bus is told of every inbox that moved, and to which number.
pub async fn a_send_moves_every_member_and_spares_the_sending_device(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let group = world.group(ada, &[bob, eve]).await;
    let draft = world.draft(bob, group, "hello");
    let id = draft.message_id;
    let outcome = world.store().send(draft).await.unwrap();
    assert_eq!(outcome.moved.len(), 3);
    for who in [ada, bob, eve] {
        let moved = outcome.moved.iter().find(|moved| moved.user_id == who.user_id).unwrap();
        assert_eq!(moved.notice.head, world.head(who).await);
        assert_eq!(moved.notice.message_id, Some(id));
        let spared = (who == bob).then_some(bob.device_id);
        assert_eq!(moved.except_device_id, spared);
    }
}
