//! Answers that are lost, servers that restart, and items that no database takes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::join_all;
use nudge_fetch::store::{
    Send, StoreError,
    conformance::{Person, World},
};
use nudge_proto::ConversationId;
use nudge_test_servers::{Postgres, PostgresOptions};
use tokio::time::timeout;

use super::{name_of, road::Road, world};

/// A world at the end of a road, two people in it, and their conversation.
async fn over_a_road() -> (Road, World, Person, Person, ConversationId) {
    let road = Road::to(Postgres::shared().port()).await;
    let url = Postgres::shared().database();
    let world = world(road.url(name_of(&url))).await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "first").await;
    (road, world, ada, bob, direct)
}

#[tokio::test]
async fn p2_a_send_whose_commit_is_not_answered_is_answered_as_if_it_were() {
    let (road, world, ada, bob, direct) = over_a_road().await;
    road.lose_commit();
    let draft = world.draft(ada, direct, "second");
    let outcome = world.store().send(draft.clone()).await.unwrap();
    assert!(road.has_lost(), "the answer got through");
    assert!(outcome.value.created, "it was this request that made it");
    assert_eq!(outcome.value.message_id, draft.message_id);
    let moved: BTreeSet<_> = outcome.moved.iter().map(|moved| moved.user_id).collect();
    assert_eq!(
        moved,
        BTreeSet::from([ada.user_id, bob.user_id]),
        "nobody's notice is lost with it"
    );
    assert_eq!(world.texts(bob).await, ["first", "second"]);
    let retry = world.send(world.retry(&draft)).await.unwrap();
    assert!(!retry.created);
    assert_eq!((retry.seq, retry.inbox_seq), (outcome.value.seq, outcome.value.inbox_seq));
    world.close().await;
}

#[tokio::test]
async fn p2_writes_whose_commit_is_not_answered_happen_once() {
    let (road, world, ada, bob, direct) = over_a_road().await;
    road.lose_commit();
    let head = world.head(bob).await;
    world.ack(bob, head).await.unwrap();
    assert!(road.has_lost());
    assert_eq!(world.marks_of(ada, direct, bob).await.0, 1);

    road.lose_commit();
    let group = world.group(ada, &[bob]).await;
    assert!(road.has_lost());
    assert_eq!(world.changes(bob).await.len(), 1, "one change: the group was made once");

    road.lose_commit();
    world.remove(ada, group, bob).await;
    assert!(road.has_lost());
    assert_eq!(world.changes(ada).await.len(), 2);
    world.close().await;
}

#[tokio::test]
async fn a_cut_before_the_commit_is_nobodys_failure() {
    let (road, world, ada, bob, direct) = over_a_road().await;
    for round in 0..5 {
        road.lead_to(Postgres::shared().port());
        let drafts: Vec<_> =
            (0..8).map(|n| world.draft(ada, direct, &format!("{round}.{n}"))).collect();
        let sent = join_all(drafts.into_iter().map(|draft| world.send(draft))).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    }
    let texts = world.texts(bob).await;
    let different: BTreeSet<_> = texts.iter().collect();
    assert_eq!((texts.len(), different.len()), (41, 41));
    world.close().await;
}

#[tokio::test]
async fn p2_an_item_that_the_database_refuses_fails_alone() {
    let world = world(Postgres::shared().database()).await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    let good: Vec<Send> = (0..40).map(|n| world.draft(ada, group, &format!("{n}"))).collect();
    // Postgres has no text with a zero byte. The edge refuses one, too: this is what comes behind it.
    let bad = Send { content_type: "text/\0plain".to_owned(), ..world.draft(ada, group, "bad") };
    let mut all = good.clone();
    all.insert(20, bad);
    let mut sent = join_all(all.into_iter().map(|send| world.send(send))).await;
    let bad = sent.remove(20);
    assert!(matches!(bad, Err(StoreError::Damaged(_))), "{bad:?}");
    assert!(sent.iter().all(|sent| sent.as_ref().is_ok_and(|sent| sent.created)), "{sent:?}");
    let seqs: BTreeSet<_> = sent.iter().map(|sent| sent.as_ref().unwrap().seq.0).collect();
    assert_eq!(seqs, (2..=41).collect(), "no number is left out");
    assert_eq!(world.texts(bob).await.len(), 40);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_server_that_crashes_and_comes_back_costs_time_alone() {
    const SENDERS: usize = 6;
    const EACH: usize = 30;
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let world = Arc::new(world(server.database()).await);
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    let sender = |sender: usize| {
        let world = Arc::clone(&world);
        async move {
            for n in 0..EACH {
                let draft = world.draft(ada, group, &format!("{sender}.{n}"));
                // As an outbox does, should the server be away for long.
                while world.send(world.retry(&draft)).await.is_err() {}
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let crashes = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(150));
            server.stop_immediate();
            server.start_again().unwrap();
        }
        server
    });
    let (_, server) = futures::join!(join_all((0..SENDERS).map(sender)), crashes);
    let _server = server.unwrap();
    let texts = world.texts(bob).await;
    let different: BTreeSet<_> = texts.iter().collect();
    assert_eq!((texts.len(), different.len()), (SENDERS * EACH, SENDERS * EACH));
    for sender in 0..SENDERS {
        let own: Vec<_> =
            texts.iter().filter(|text| text.starts_with(&format!("{sender}."))).collect();
        let expected: Vec<_> = (0..EACH).map(|n| format!("{sender}.{n}")).collect();
        assert!(own.iter().copied().eq(&expected), "{own:?}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_and_thaws_costs_time_alone() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let world = world(server.database()).await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    server.freeze();
    let sends = join_all((0..20).map(|n| world.say(ada, direct, format!("{n}"))));
    let thaw = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(server.is_running());
        server.thaw();
    };
    let (sent, ()) = futures::join!(sends, thaw);
    assert_eq!(sent.len(), 20);
    assert_eq!(world.texts(bob).await.len(), 20);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_read_from_a_server_that_says_nothing_any_more_ends() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let world = world(server.database()).await;
    let ada = world.person("ada").await;
    let (store, device) = (world.store(), [(ada.user_id, ada.device_id)]);
    // Of the same connection, which was well an instant ago.
    store.device_states(&device).await.unwrap();
    server.freeze();
    let (states, identity) = timeout(Duration::from_secs(40), async {
        (store.device_states(&device).await, store.identity().await)
    })
    .await
    .expect("a silent server is waited for");
    for error in [states.map(drop).unwrap_err(), identity.map(drop).unwrap_err()] {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    server.thaw();
    store.device_states(&device).await.unwrap();
    world.close().await;
}
