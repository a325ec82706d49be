//! An older request that still runs on another node, its part held on the way to the object store.

use std::time::Duration;

use super::{
    gate::Gate,
    node::{Ground, Node, body, body_without_end},
};
use crate::support::noise;

const PART: usize = 5 << 20;

/// Two nodes, one of them behind a gate.
struct Pair {
    gate: Gate,
    older: Node,
    newer: Node,
}

impl Pair {
    async fn start() -> Self {
        let ground = Ground::new();
        let gate = Gate::start(ground.bucket.address()).await;
        let older = ground.start(&ground.bucket.through(gate.address)).await;
        let newer = ground.start(&ground.bucket).await;
        ground.register(&newer).await;
        Self { gate, older, newer }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_part_that_arrives_late_spoils_nothing() {
    let pair = Pair::start().await;
    for (parts, tail) in [(0, 0), (0, 7), (1, 0), (2, 100_000)] {
        let counts = parts * PART + tail;
        let bytes = noise(4 * PART + 12_345);
        let id = pair.newer.create(&bytes).await;
        let before = pair.older.append(id, 0, body(&bytes[..counts])).await.unwrap();
        assert_eq!(before.unwrap().offset, counts as u64);
        // The older one brings other bytes; its part stops on the way.
        pair.gate.shut_after(PART as u64 / 2);
        let wrong = vec![0xee; PART + 600_000];
        let stale = pair.older.append(id, counts as u64, body_without_end(&wrong));
        tokio::time::timeout(Duration::from_secs(20), pair.gate.holds()).await.unwrap();
        // The newer one goes on while it is held, and after it has arrived.
        let cut = counts + PART + 70_000;
        let gone_on =
            pair.newer.append(id, counts as u64, body(&bytes[counts..cut])).await.unwrap();
        assert_eq!(gone_on.unwrap().offset, cut as u64);
        pair.gate.open();
        let told = tokio::time::timeout(Duration::from_secs(30), stale).await.unwrap().unwrap();
        assert!(told.is_err(), "it was taken over");
        let done = pair.newer.append(id, cut as u64, body(&bytes[cut..])).await.unwrap();
        done.unwrap();
        assert!(pair.newer.download(id).await == bytes, "{parts} parts and {tail} bytes before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_tail_that_arrives_late_spoils_nothing() {
    let pair = Pair::start().await;
    let bytes = noise(300_000);
    let id = pair.newer.create(&bytes).await;
    pair.gate.shut_after(100_000);
    let stale = pair.older.append(id, 0, body(&vec![0xee; 300_000]));
    tokio::time::timeout(Duration::from_secs(20), pair.gate.holds()).await.unwrap();
    let done = pair.newer.append(id, 0, body(&bytes)).await.unwrap();
    done.unwrap();
    pair.gate.open();
    assert!(stale.await.unwrap().is_err());
    assert!(pair.newer.download(id).await == bytes);
}
