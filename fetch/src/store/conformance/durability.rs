//! P1, as far as a store can show it by itself: what it answered is there after it was opened again.

use futures::future::join_all;

use super::World;
use crate::{
    objects::Layout,
    store::{Role, StoreError},
};

/// Everything of every aggregate.
pub async fn p1_what_was_answered_is_there_after_reopening(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let group = world.group(ada, &[bob]).await;
    world.add(ada, group, bob, Role::Admin).await;
    let medium = world.medium(ada).await;
    world.show(ada, direct, medium).await.unwrap();
    let half = world.new_upload(bob, 10);
    let half_id = half.id;
    world.store().create_upload(half).await.unwrap();
    world.append(bob, half_id, 0, 4).await;
    world.ack_all(bob).await;
    world.read(bob, direct, 1).await;
    world.settle().await;
    let (adas, bobs) = (world.inbox(ada, 0).await, world.inbox(bob, 0).await);
    let devices = world.store().devices(bob.user_id).await.unwrap();

    world.reopen().await;

    assert_eq!(world.inbox(ada, 0).await, adas);
    assert_eq!(world.inbox(bob, 0).await, bobs);
    assert_eq!(world.store().devices(bob.user_id).await.unwrap(), devices);
    assert_eq!(world.marks_of(ada, direct, bob).await, (1, 1));
    assert!(world.may_read(bob, medium).await);
    let upload = world.store().upload(bob.user_id, half_id).await.unwrap();
    assert_eq!((upload.offset, upload.sha256), (4, None));
    assert_eq!(world.store().layout(half_id).await.unwrap(), Some(Layout("4 bytes".to_owned())));
}

/// Whatever was handed over before the close has an answer, and the answer is true.
pub async fn p1_closing_commits_what_was_begun_and_answers_it(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let drafts: Vec<_> = (0..100).map(|n| world.draft(ada, direct, &format!("{n}"))).collect();
    let sends = join_all(drafts.iter().map(|draft| world.send(draft.clone())));
    let (answers, ()) = futures::join!(sends, world.close());
    world.reopen().await;
    let there = world.texts(bob).await;
    for (draft, answer) in drafts.iter().zip(answers) {
        let text = String::from_utf8(draft.body.to_vec()).unwrap();
        match answer {
            Ok(_) => assert!(there.contains(&text), "{text} was answered and is gone"),
            Err(StoreError::Unavailable(_)) => assert!(!there.contains(&text), "{text} is there"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A client that does not know whether its sends happened sends them all again.
pub async fn p1_an_answer_lost_by_a_close_is_settled_by_a_retry(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let drafts: Vec<_> = (0..50).map(|n| world.draft(ada, direct, &format!("{n}"))).collect();
    let sends = join_all(drafts.iter().map(|draft| world.send(draft.clone())));
    let (_, ()) = futures::join!(sends, world.close());
    world.reopen().await;
    for draft in &drafts {
        world.send(world.retry(draft)).await.unwrap();
    }
    let mut there = world.texts(bob).await;
    assert_eq!(there.len(), drafts.len(), "each is there once");
    there.sort_unstable();
    there.dedup();
    assert_eq!(there.len(), drafts.len());
}
