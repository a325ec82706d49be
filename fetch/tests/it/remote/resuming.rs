//! Uploads over nodes that are killed at any instant.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use nudge_fetch::{
    media::{MediaError, UploadBody, collector::collect},
    objects::Found,
    store::{StoreError, UnixMs},
};
use nudge_proto::{ErrorCode, MediumId};

use super::node::{Ground, Node, body};
use crate::support::noise;

/// A body that comes piece by piece.
fn slowly(bytes: &[u8]) -> UploadBody {
    let paced = body(bytes).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        piece
    });
    paced.boxed()
}

/// How far it is; the medium is complete with `None`.
async fn standing(node: &Node, id: MediumId) -> Option<u64> {
    let upload = node.state(id).await.unwrap();
    upload.sha256.is_none().then_some(upload.offset)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_uploads_survive_the_death_of_any_node_at_any_instant() {
    let ground = Ground::new();
    let mut nodes = [ground.start(&ground.bucket).await, ground.start(&ground.bucket).await];
    ground.register(&nodes[0]).await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut deaths = 0;
    for size in [3_000_000, 17_000_000, 23_000_000] {
        let bytes = noise(size);
        let id = nodes[0].create(&bytes).await;
        let mut acknowledged = 0;
        while let Some(offset) = standing(&nodes[random.usize(..2)], id).await {
            assert!(offset >= acknowledged, "{acknowledged} bytes were acknowledged");
            acknowledged = offset;
            let here = random.usize(..2);
            let appending = nodes[here].append(id, offset, slowly(&bytes[offset as usize..]));
            let instant = Duration::from_millis(random.u64(1..700));
            match tokio::time::timeout(instant, appending).await {
                Ok(done) => match done.unwrap() {
                    // The older one was not over yet.
                    Ok(_) | Err(MediaError::Store(StoreError::OffsetMismatch { .. })) => {}
                    Err(error) => panic!("{error}"),
                },
                // Another node takes it over, whose request comes while the older one still runs.
                Err(_) if random.bool() => {}
                Err(_) => {
                    deaths += 1;
                    nodes[here].kill();
                    nodes[here] = ground.start(&ground.bucket).await;
                }
            }
        }
        assert!(nodes[random.usize(..2)].download(id).await == bytes);
    }
    assert!(deaths > 3, "{deaths} deaths");
    assert_eq!(left_behind(&nodes[0]).await, 3, "one object for each medium");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_were_given_up_leave_nothing() {
    let ground = Ground::new();
    let mut node = ground.start(&ground.bucket).await;
    ground.register(&node).await;
    let bytes = noise(16 << 20);
    for cut in [1, 6 << 20, 11 << 20] {
        let id = node.create(&bytes).await;
        let broken = body(&bytes[..cut]).chain(stream::iter([Err("cut".into())]));
        let refused = node.append(id, 0, broken.boxed()).await.unwrap().unwrap_err();
        assert!(matches!(refused, MediaError::BrokenOff(_)), "{refused}");
        assert_eq!(standing(&node, id).await, Some(cut as u64), "to the last byte");
        node.kill();
        node = ground.start(&ground.bucket).await;
        let (store, owner_id) = (node.store.clone(), ground.owner_id);
        node.run(async move { store.remove_upload(owner_id, id).await }).await.unwrap();
    }
    assert_eq!(left_behind(&node).await, 0);
    let store = node.store.clone();
    let lost = node.run(async move { store.lost_multiparts(10).await }).await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_an_upload_whose_bytes_a_failover_lost_begins_again() {
    let ground = Ground::new();
    let node = ground.start(&ground.bucket).await;
    ground.register(&node).await;
    let bytes = noise(3 << 20);
    let id = node.create(&bytes).await;
    let append = async |offset: usize, end: usize| {
        let broken = stream::iter([Err("cut".into())]);
        let piece = body(&bytes[offset..end]).chain(broken).boxed();
        node.append(id, offset as u64, piece).await.unwrap().unwrap_err()
    };
    append(0, 1 << 20).await;
    ground.sql("CREATE TABLE earlier AS TABLE uploads");
    append(1 << 20, 2 << 20).await;
    // The standby never got the second commit, which took the first one's object away.
    ground.sql(
        "UPDATE uploads u SET layout = e.layout, \"offset\" = e.\"offset\", digest_state = e.digest_state \
         FROM earlier e WHERE e.medium_id = u.medium_id",
    );
    assert_eq!(standing(&node, id).await, Some(1 << 20));
    let lost = append(1 << 20, 3 << 20).await;
    assert_eq!(lost.code(), ErrorCode::UploadExpired, "{lost}");
    let gone = node.state(id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound, "{gone}");
    let again = node.create(&bytes).await;
    node.append(again, 0, body(&bytes)).await.unwrap().unwrap();
    assert!(node.download(again).await == bytes);
}

/// Things that lie there after the collector came, as often as it needs.
async fn left_behind(node: &Node) -> usize {
    let (store, objects) = (node.store.clone(), node.objects.clone());
    node.run(async move {
        for _ in 0..2 {
            collect(store.as_ref(), objects.as_ref(), UnixMs(u64::MAX)).await.unwrap();
        }
        let found: Vec<Found> = objects.list().await.unwrap().try_collect().await.unwrap();
        found.len()
    })
    .await
}
