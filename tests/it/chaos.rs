//! P1 to P6 on a cluster whose parts die: the short form of `scripts/chaos`.

use std::{sync::Arc, time::Duration};

use nudge_harness::{
    Cluster,
    chaos::{self, ChaosConfig, Fault},
};

use crate::program::NUDGE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_to_p6_hold_for_50_people_while_every_part_of_a_cluster_fails() {
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
