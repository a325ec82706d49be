//! P1 to P4 and P6 on a cluster whose parts die: the short form of `scripts/chaos`.

use std::{sync::Arc, time::Duration};

use nudge_harness::{
    Cluster,
    chaos::{self, ChaosConfig, Fault},
    cluster::PostgresOptions,
};

use crate::program::NUDGE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_to_p4_and_p6_hold_for_50_people_while_every_part_of_a_cluster_fails() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let cluster = Cluster::builder(NUDGE).nodes(2, 2).start().await.unwrap();
    let mut config = ChaosConfig::new(Duration::from_secs(60), seed);
    // A debug build on two cores, which run the people, too.
    config.messages_per_second = 12.0;
    config.file_bytes_max = 6 << 20;
    let report = chaos::run(Arc::new(cluster), config, |progress| println!("{progress}"));
    let report = report.await.unwrap();
    println!("{report}");
    assert!(report.is_ok(), "{report}");
    // Otherwise the run has shown nothing.
    assert!(report.given >= 300 && report.files >= 20, "{report}");
    for fault in Fault::ALL {
        assert!(report.faults.contains_key(fault.name()), "{fault} never happened: {report}");
    }
}

/// With a database that answers before it commits, the judge must have something to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judge_finds_what_a_database_lost_that_answers_before_it_commits() {
    let options = PostgresOptions {
        settings: [("synchronous_commit", "off"), ("wal_writer_delay", "10s")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    let cluster = Cluster::builder(NUDGE)
        .nodes(1, 1)
        .postgres(options)
        .fetch_arguments(["--allow-unsafe-durability"])
        .start()
        .await
        .unwrap();
    let mut config = ChaosConfig::new(Duration::from_secs(15), 7);
    config.people = 6;
    config.faults = vec![Fault::CrashDatabase];
    config.settle_time = Duration::from_secs(15);
    let report = chaos::run(Arc::new(cluster), config, |progress| println!("{progress}"));
    let report = report.await.unwrap();
    println!("{report}");
    assert!(report.wrong.iter().any(|wrong| wrong.contains("(P1")), "{report}");
}

/// An app that counts what it did not store as read loses it: the judge must have something to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judge_finds_a_cursor_that_jumped() {
    let cluster = Cluster::builder(NUDGE).nodes(1, 1).start().await.unwrap();
    let mut config = ChaosConfig::new(Duration::from_secs(8), 7);
    config.people = 4;
    config.faults.clear();
    config.observers_jump = true;
    config.settle_time = Duration::from_secs(5);
    let report = chaos::run(Arc::new(cluster), config, |_| ()).await.unwrap();
    assert!(report.wrong.iter().any(|wrong| wrong.contains("(P3)")), "{report}");
    assert!(report.wrong.iter().any(|wrong| wrong.contains("(P1)")), "{report}");
}
