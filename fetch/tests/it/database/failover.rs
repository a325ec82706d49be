//! A standby takes over, and may not have had everything.

use std::{sync::Arc, time::Duration};

use nudge_fetch::{
    FetchConfig, FetchParts,
    store::{
        self, PageLimits, Store, StoreError,
        conformance::{Person, World},
        postgres::{Failover, OpenError, PostgresOptions, PostgresStore},
    },
};
use nudge_proto::{ConversationId, Cursor, Epoch, watch::Down};
use nudge_test_servers::Postgres;

use super::{Database, few_connections, name_of, road::Road};
use crate::{support::Service, watch::Node};

/// A primary, a standby that stopped following it, and a world whose road leads to the primary.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    road: Road,
    options: PostgresOptions,
    world: World,
    ada: Person,
    bob: Person,
    direct: ConversationId,
}

impl Pair {
    async fn new(failover: Failover) -> Self {
        let primary = Postgres::start(nudge_test_servers::PostgresOptions::default()).unwrap();
        let url = primary.database();
        let road = Road::to(primary.port()).await;
        let options = PostgresOptions { failover, ..few_connections(road.url(name_of(&url))) };
        let world = World::new(Database(options.clone())).await;
        let (ada, bob) = (world.person("ada").await, world.person("bob").await);
        let direct = world.direct(ada, bob).await;
        world.say(ada, direct, "kept").await;
        let standby = primary.standby().unwrap();
        let pair = Self { primary, standby, road, options, world, ada, bob, direct };
        pair.stop_following().await;
        pair
    }

    async fn stop_following(&self) {
        let written = self.primary.run_sql("SELECT pg_current_wal_flush_lsn()").unwrap();
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{}'::pg_lsn", written.trim());
        self.wait_for(&replayed).await;
        self.standby.run_sql("ALTER SYSTEM SET primary_conninfo = ''").unwrap();
        self.standby.run_sql("SELECT pg_reload_conf()").unwrap();
        self.wait_for("SELECT NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)").await;
    }

    /// Until the standby says so.
    async fn wait_for(&self, condition: &str) {
        while self.standby.run_sql(condition).unwrap().trim() != "t" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn fail_over(&self) {
        self.primary.stop_immediate();
        self.standby.promote().unwrap();
        self.road.lead_to(self.standby.port());
    }

    async fn epoch(store: &Arc<dyn Store>) -> Epoch {
        store.identity().await.unwrap().epoch
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_standby_that_lost_commits_begins_one_new_epoch_for_all_nodes() {
    let pair = Pair::new(Failover::Epoch).await;
    let world = &pair.world;
    let others = [world.another_node().await, world.another_node().await];
    let before = Pair::epoch(&world.store()).await;
    let lost = world.draft(pair.ada, pair.direct, "lost");
    assert_eq!(world.send(lost.clone()).await.unwrap().seq.0, 2);
    let head = world.head(pair.bob).await;
    let standby = few_connections(pair.standby.url(name_of(&pair.options.url)));
    let refused = PostgresStore::open(&standby).await;
    assert!(matches!(refused, Err(OpenError::Standby { .. })), "a standby takes no writes");

    pair.fail_over();
    let after = Pair::epoch(&world.store()).await;
    assert!(after > before, "{after:?} after {before:?}");
    for other in &others {
        assert_eq!(Pair::epoch(other).await, after);
    }
    let late = world.another_node().await;
    assert_eq!(Pair::epoch(&late).await, after, "the change is noticed once");

    let cursor = Cursor { epoch: before, seq: head };
    let limits = PageLimits { entries: 10, bytes: 1 << 20 };
    let page = others[0].inbox_page(pair.bob.user_id, cursor, limits, world.now()).await;
    let mismatch = StoreError::EpochMismatch { given: before.0, current: after.0 };
    assert_eq!(page, Err(mismatch), "a cursor of what was lost reads nothing");
    // The sender still has it in his outbox, or asks again after a lost answer.
    let again = world.send(world.retry(&lost)).await.unwrap();
    assert_eq!((again.created, again.seq.0), (true, 2));
    assert_eq!(world.texts(pair.bob).await, ["kept", "lost"]);
    for store in others.iter().chain([&late]) {
        store.close().await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_said_to_be_synchronous_keeps_the_epoch() {
    let pair = Pair::new(Failover::Synchronous).await;
    let before = Pair::epoch(&pair.world.store()).await;
    assert_eq!(pair.world.store().reaches_standby().await, Ok(false), "none is named");
    for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]
    {
        pair.primary.run_sql(statement).unwrap();
    }
    while pair.world.store().reaches_standby().await != Ok(true) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pair.fail_over();
    assert_eq!(Pair::epoch(&pair.world.store()).await, before);
    pair.world.say(pair.bob, pair.direct, "still here").await;
    assert_eq!(pair.world.texts(pair.ada).await, ["kept", "still here"]);
    pair.world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_connection_hears_of_a_new_epoch() {
    let url = Postgres::shared().database();
    let options = few_connections(url.clone());
    let use_it = |config: &mut FetchConfig| config.database = store::Database::Postgres(options);
    let service = Service::start_with(use_it, FetchParts::default()).await;
    let mut node = Node::open(&service).await;
    // What another node does when it finds another server.
    let another = "UPDATE store SET epoch = epoch + 1 RETURNING epoch";
    let told = Postgres::shared().run_sql_in(name_of(&url), another).unwrap();
    let epoch = Epoch(told.trim().parse().unwrap());
    loop {
        let down = node.next().await;
        if let Down::EpochChanged { epoch: heard } = down {
            assert_eq!(heard, epoch);
            break;
        }
        assert!(matches!(down, Down::Keys(_)), "{down:?}");
    }
    service.fetch.shutdown().await;
}
