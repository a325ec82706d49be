//! Fan-outs of their own that somebody leaves halfway.

use std::time::Duration;

use nudge_fetch::store::{
    InboxItem, Messages, Send, StoreError, Upkeep,
    conformance::{Person, World, unlimited},
    postgres::{FanOut, PostgresOptions, PostgresStore},
};
use nudge_proto::ConversationId;
use nudge_test_servers::Postgres;

use super::{Database, few_connections, name_of, road::Road};

/// A message that is committed, and that is in no inbox: its node died in between.
struct LeftOver {
    world: World,
    ada: Person,
    bob: Person,
    group: ConversationId,
    send: Send,
    database: String,
}

impl LeftOver {
    async fn new() -> Self {
        let url = Postgres::shared().database();
        let options =
            |url| PostgresOptions { fan_out: FanOut::AfterCommit, ..few_connections(url) };
        let world = World::new(Database(options(url.clone()))).await;
        let (ada, bob) = (world.person("ada").await, world.person("bob").await);
        let group = world.group(ada, &[bob]).await;
        let road = Road::to(Postgres::shared().port()).await;
        let doomed = PostgresStore::open(&options(road.url(name_of(&url)))).await.unwrap();
        let send = world.draft(ada, group, "hello");
        // The commit is answered by nobody, and then there is no way to the database any more.
        road.lose_commit_and_close();
        let sending = doomed.send(send.clone());
        tokio::select! {
            _ = sending => panic!("it was answered"),
            () = until(|| road.has_lost()) => {}
        }
        road.lead_to(0);
        let left = Self { world, ada, bob, group, send, database: name_of(&url).to_owned() };
        assert_eq!(left.rows(), 1);
        assert!(left.world.texts(bob).await.is_empty());
        left
    }

    /// How many fan-outs are pending.
    fn rows(&self) -> usize {
        let count = "SELECT count(*) FROM fan_outs";
        let rows = Postgres::shared().run_sql_in(&self.database, count).unwrap();
        rows.trim().parse().unwrap()
    }

    async fn assert_once(&self) {
        assert_eq!(self.world.texts(self.bob).await, ["hello"]);
        assert_eq!(self.world.texts(self.ada).await, ["hello"]);
        assert_eq!(self.rows(), 0);
        let retry = self.world.send(self.world.retry(&self.send)).await.unwrap();
        let page = self.world.inbox(self.ada, 0).await;
        let own = page.entries.iter().find(|entry| matches!(entry.item, InboxItem::Message(_)));
        assert_eq!((retry.created, retry.inbox_seq), (false, own.unwrap().seq));
        self.world.close().await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn p2_a_retry_finishes_the_fan_out_that_its_first_attempt_left() {
    let left = LeftOver::new().await;
    let outcome = left.world.store().send(left.world.retry(&left.send)).await.unwrap();
    assert!(!outcome.value.created);
    assert_eq!(outcome.moved.len(), 2, "whose inboxes moved is told by who moved them");
    left.assert_once().await;
}

#[tokio::test]
async fn p3_a_fan_out_that_was_left_is_finished_by_whoever_looks_after_receipts() {
    let left = LeftOver::new().await;
    assert!(left.world.settle().await.is_empty(), "it might still be at work");
    left.world.wait_s(10);
    assert_eq!(left.world.settle().await.len(), 2);
    left.assert_once().await;
}

#[tokio::test]
async fn p3_a_fan_out_that_was_left_is_finished_by_the_sweep_of_any_node() {
    let left = LeftOver::new().await;
    // As a node sees it that fans out with the commit.
    let url = Postgres::shared().url(&left.database);
    let store = PostgresStore::open(&few_connections(url)).await.unwrap();
    store.sweep(unlimited(), left.world.now()).await.unwrap();
    store.close().await;
    left.assert_once().await;
}

#[tokio::test]
async fn p3_a_change_comes_after_the_message_that_was_sent_before_it() {
    let left = LeftOver::new().await;
    let renamed = left.world.rename(left.ada, left.group, "news").await.unwrap();
    assert_eq!(renamed.moved.len(), 4, "two by the message, two by the change");
    let page = left.world.inbox(left.bob, 0).await;
    let numbers: Vec<_> = page
        .entries
        .iter()
        .filter_map(|entry| match &entry.item {
            InboxItem::Message(message) => Some(message.seq.0),
            InboxItem::Change(change) => Some(change.seq.0),
            InboxItem::Receipt(_) => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    left.assert_once().await;
}

#[tokio::test]
async fn a_store_whose_database_is_gone_says_so_in_time() {
    let road = Road::to(Postgres::shared().port()).await;
    let url = Postgres::shared().database();
    let world = super::world(road.url(name_of(&url))).await;
    road.lead_to(0);
    let ping = tokio::time::timeout(Duration::from_secs(25), world.store().ping()).await.unwrap();
    assert!(matches!(ping, Err(StoreError::Unavailable(_))), "{ping:?}");
}
