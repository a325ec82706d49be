//! The database's server is lost, and a standby takes its place under nodes and apps that go on.

mod talk;

use std::time::{Duration, Instant};

use nudge_harness::{Cluster, cluster::ClusterBuilder};
use nudge_test_servers::Postgres;

use crate::program::NUDGE;
use talk::Talk;

/// Whatever is waited for must be there within this time.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_p3_a_standby_that_lost_the_last_commits_begins_a_new_epoch_and_every_app_ends_right() {
    let cluster = Cluster::builder(NUDGE).start().await.unwrap();
    let standby = cluster.postgres().standby().unwrap();
    let mut talk = Talk::begin(&cluster.url()).await;
    let kept = talk.everybody_says("kept").await;
    follow(&cluster, &standby);
    let epoch_before = epoch(cluster.postgres(), &cluster);

    // What comes now is answered, told to everybody, and never reaches the standby.
    standby.stop();
    let lost = talk.everybody_says("lost").await;
    cluster.postgres().stop_immediate();
    let on_the_way = talk.everybody_gives("given while no server was there").await;
    standby.start_again().unwrap();
    standby.promote().unwrap();
    cluster.move_database(&standby);
    let on_the_way = talk.arrived(on_the_way).await;
    let after = talk.everybody_says("after").await;

    assert!(epoch(&standby, &cluster) > epoch_before);
    let there: Vec<_> = [&kept[..], &on_the_way, &after].concat();
    talk.check_history(&there).await;
    let told: Vec<_> = [&there[..], &lost].concat();
    talk.check_told_once(&told);
    talk.everybody_knows_of_a_new_epoch().await;
    talk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_behind_a_synchronous_standby_the_epoch_stays_and_nothing_is_lost() {
    let builder: ClusterBuilder = Cluster::builder(NUDGE);
    let cluster = builder.fetch_arguments(["--failover", "synchronous"]).start().await.unwrap();
    let standby = cluster.postgres().standby().unwrap();
    for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]
    {
        cluster.postgres().run_sql(statement).unwrap();
    }
    let is_synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    wait_until(|| cluster.postgres().run_sql(is_synchronous).unwrap() == "1\n");
    let mut talk = Talk::begin(&cluster.url()).await;
    let mut said = talk.everybody_says("before").await;
    let epoch_before = epoch(cluster.postgres(), &cluster);

    let on_the_way = talk.everybody_gives("given while the server dies").await;
    cluster.postgres().stop_immediate();
    standby.promote().unwrap();
    cluster.move_database(&standby);
    said.extend(talk.arrived(on_the_way).await);
    said.extend(talk.everybody_says("after").await);

    assert_eq!(epoch(&standby, &cluster), epoch_before);
    talk.check_history(&said).await;
    talk.check_told_once(&said);
    assert_eq!(talk.resyncs(), 0, "nobody's numbers have changed");
    talk.close().await;
}

/// Returns once the standby has everything that is committed by now.
fn follow(cluster: &Cluster, standby: &Postgres) {
    let written = cluster.postgres().run_sql("SELECT pg_current_wal_lsn()").unwrap();
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", written.trim());
    wait_until(|| standby.run_sql(&replayed).unwrap() == "t\n");
}

fn epoch(server: &Postgres, cluster: &Cluster) -> u64 {
    let epoch = server.run_sql_in(cluster.database(), "SELECT epoch FROM store").unwrap();
    epoch.trim().parse().unwrap()
}

fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to hold");
        std::thread::sleep(Duration::from_millis(50));
    }
}
