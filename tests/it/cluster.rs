//! Many nodes as one: their start, and the demo on two of them.

use std::{fs, path::Path};

use nudge_harness::Cluster;

use crate::program::{NUDGE, json, nudge, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_holds_its_promises_with_sender_and_recipient_on_different_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holiday.bin");
    let mut random = fastrand::Rng::with_seed(9);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(9 << 20).collect();
    fs::write(&file, &bytes).unwrap();
    let cluster = Cluster::builder(NUDGE).paired().start().await.unwrap();
    let adas = cluster.node_url(0).await.unwrap();
    let bobs = cluster.node_url(1).await.unwrap();
    let demo = tokio::task::spawn_blocking(move || {
        nudge(["demo", "--json", text(&file), "--server", &adas, "--server", &bobs]).output()
    });
    let report = json(&demo.await.unwrap().unwrap());
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["media"]["verified"], true, "{report:#}");
    assert!(report["media"]["resumed_from"].as_u64() > Some(0), "{report:#}");

    let [one, two] = [&cluster.fetch()[0], &cluster.fetch()[1]];
    let (one, two) = (one.lock().await, two.lock().await);
    let size = bytes.len() as f64;
    assert!(one.metric("nudge_fetch_uploaded_bytes_total").await.unwrap() >= size);
    assert!(two.metric("nudge_fetch_downloaded_bytes_total").await.unwrap() >= size);
    assert!(two.metric("nudge_fetch_sends_total").await.unwrap() < 0.5);
    for signal in cluster.signal() {
        let signal = signal.lock().await;
        assert!(signal.metric("nudge_signal_hellos_total").await.unwrap() > 0.5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_started_at_once_on_an_empty_database_come_up_with_one_set_of_migrations() {
    let cluster = Cluster::builder(NUDGE).nodes(10, 1).start().await.unwrap();
    let sql =
        |statement: &str| cluster.postgres().run_sql_in(cluster.database(), statement).unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let files = fs::read_dir(migrations).unwrap().count();
    assert_eq!(
        sql("SELECT count(*), count(DISTINCT version), bool_and(success) FROM _sqlx_migrations"),
        format!("{files}|{files}|t\n")
    );
    assert_eq!(sql("SELECT count(*) FROM store"), "1\n");
    let mut keys = Vec::new();
    for node in 0..10 {
        let url = cluster.node_url(node).await.unwrap();
        let answer = reqwest::get(format!("{url}/.well-known/jwks.json")).await.unwrap();
        keys.push(answer.error_for_status().unwrap().text().await.unwrap());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "every node signs with the same keys: {keys:?}");
}
