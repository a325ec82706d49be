//! What every place for objects must do, as checks that any implementation can be held to.
//! [`objects_conformance!`](crate::objects_conformance) turns them into tests, like those of the store.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, future::join_all};
use nudge_proto::MediumId;

use super::{CommittedSegment, Listing, ObjectError, Objects, Segment};

/// Where objects lie.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    /// Opens it, as often as asked: the same objects each time.
    async fn open(&self) -> Arc<dyn Objects>;
}

/// Makes a test of every check; the argument is an expression for a fresh
/// [`Site`](crate::objects::conformance::Site).
#[macro_export]
macro_rules! objects_conformance {
    ($site:expr) => {
        $crate::objects_conformance! { @tests $site;
            p6_segments_are_joined_in_their_order,
            p6_what_was_not_committed_of_a_segment_is_left_out,
            p6_cutting_a_segment_takes_nothing_that_was_committed,
            p6_requests_that_overlap_do_not_mix,
            p6_finishing_twice_is_finishing_once,
            p6_finishing_at_once_makes_one_object,
            p6_without_all_its_bytes_there_is_no_object,
            p6_segments_outlive_the_process,
            a_fence_that_was_never_committed_begins_anew,
            a_range_gives_its_bytes_and_no_others,
            an_object_may_be_empty,
            what_is_removed_is_gone_and_may_be_removed_again,
            what_lies_there_is_listed,
        }
    };
    (@tests $site:expr; $($check:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            $crate::objects::conformance::$check(&$site).await;
        }
    )*};
}

async fn segment(objects: &dyn Objects, id: MediumId, fence: u64, bytes: &[u8]) {
    let mut segment = objects.open_segment(id, fence).await.unwrap();
    append(segment.as_mut(), bytes).await;
    segment.sync().await.unwrap();
}

async fn append(segment: &mut dyn Segment, bytes: &[u8]) {
    segment.append(Bytes::copy_from_slice(bytes)).await.unwrap();
}

fn committed(segments: &[(u64, u64)]) -> Vec<CommittedSegment> {
    segments.iter().map(|&(fence, length)| CommittedSegment { fence, length }).collect()
}

async fn read(
    objects: &dyn Objects,
    id: MediumId,
    range: Range<u64>,
) -> Result<Vec<u8>, ObjectError> {
    let pieces: Vec<Bytes> = objects.read(id, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// That of their fences, whatever the order in which they were written.
pub async fn p6_segments_are_joined_in_their_order(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    segment(&*objects, id, 4, b"world").await;
    segment(&*objects, id, 1, b"hello ").await;
    objects.finish(id, &committed(&[(1, 6), (4, 5)])).await.unwrap();
    assert_eq!(read(&*objects, id, 0..11).await.unwrap(), b"hello world");
}

/// One alone too.
pub async fn p6_what_was_not_committed_of_a_segment_is_left_out(site: &dyn Site) {
    let objects = site.open().await;
    let (one, two) = (MediumId::random(), MediumId::random());
    segment(&*objects, one, 1, b"hello and more").await;
    objects.finish(one, &committed(&[(1, 5)])).await.unwrap();
    assert_eq!(read(&*objects, one, 0..5).await.unwrap(), b"hello");
    assert!(read(&*objects, one, 0..6).await.is_err());
    segment(&*objects, two, 1, b"hello and more").await;
    segment(&*objects, two, 2, b", worlds").await;
    objects.finish(two, &committed(&[(1, 5), (2, 7)])).await.unwrap();
    assert_eq!(read(&*objects, two, 0..12).await.unwrap(), b"hello, world");
}

/// Whether or not the medium is whole by then.
pub async fn p6_cutting_a_segment_takes_nothing_that_was_committed(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    let mut first = objects.open_segment(id, 1).await.unwrap();
    first.append(Bytes::from_static(b"hello and more")).await.unwrap();
    first.cut(5).await.unwrap();
    let mut unused = objects.open_segment(id, 2).await.unwrap();
    unused.append(Bytes::from_static(b"refused")).await.unwrap();
    unused.cut(0).await.unwrap();
    objects.finish(id, &committed(&[(1, 5)])).await.unwrap();
    first.cut(5).await.unwrap();
    objects.discard_segments(id).await.unwrap();
    unused.cut(0).await.unwrap();
    assert_eq!(read(&*objects, id, 0..5).await.unwrap(), b"hello");
}

/// A request that was taken over goes on writing what nobody will read.
pub async fn p6_requests_that_overlap_do_not_mix(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    let mut older = objects.open_segment(id, 1).await.unwrap();
    append(older.as_mut(), b"hel").await;
    older.sync().await.unwrap();
    let mut newer = objects.open_segment(id, 2).await.unwrap();
    append(older.as_mut(), b"XXXX").await;
    append(newer.as_mut(), b"lo").await;
    newer.sync().await.unwrap();
    older.sync().await.unwrap();
    objects.finish(id, &committed(&[(1, 3), (2, 2)])).await.unwrap();
    // Also after the object is there.
    let _ = older.append(Bytes::from_static(b"YYYY")).await;
    let _ = older.sync().await;
    assert_eq!(read(&*objects, id, 0..5).await.unwrap(), b"hello");
    assert!(read(&*objects, id, 0..6).await.is_err());
}

/// Also when its segments are gone.
pub async fn p6_finishing_twice_is_finishing_once(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    segment(&*objects, id, 1, b"hel").await;
    segment(&*objects, id, 2, b"lo").await;
    let segments = committed(&[(1, 3), (2, 2)]);
    objects.finish(id, &segments).await.unwrap();
    objects.finish(id, &segments).await.unwrap();
    objects.discard_segments(id).await.unwrap();
    objects.finish(id, &segments).await.unwrap();
    assert_eq!(read(&*objects, id, 0..5).await.unwrap(), b"hello");
}

/// Two requests both saw the last byte, here or on two nodes.
pub async fn p6_finishing_at_once_makes_one_object(site: &dyn Site) {
    let (here, there) = (site.open().await, site.open().await);
    let id = MediumId::random();
    segment(&*here, id, 1, &[b'a'; 100_000]).await;
    segment(&*here, id, 2, &[b'b'; 100_000]).await;
    let segments = committed(&[(1, 100_000), (2, 100_000)]);
    let finishing = (0..8).map(|n| {
        let objects = if n % 2 == 0 { &here } else { &there };
        objects.finish(id, &segments)
    });
    join_all(finishing).await.into_iter().for_each(|finished| finished.unwrap());
    let bytes = read(&*here, id, 0..200_000).await.unwrap();
    assert!(bytes == [vec![b'a'; 100_000], vec![b'b'; 100_000]].concat());
}

/// Neither when a segment is missing nor when it is too short.
pub async fn p6_without_all_its_bytes_there_is_no_object(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    segment(&*objects, id, 1, b"hello").await;
    for segments in [&[(1, 6)][..], &[(1, 5), (2, 1)], &[(3, 5)]] {
        let refused = objects.finish(id, &committed(segments)).await.unwrap_err();
        assert!(matches!(refused, ObjectError::NotFound { .. }), "{segments:?}: {refused}");
        assert!(read(&*objects, id, 0..1).await.is_err());
    }
    objects.finish(id, &committed(&[(1, 5)])).await.unwrap();
}

/// What was synced is there for the next one.
pub async fn p6_segments_outlive_the_process(site: &dyn Site) {
    let id = MediumId::random();
    segment(&*site.open().await, id, 1, b"hel").await;
    segment(&*site.open().await, id, 2, b"lo").await;
    let objects = site.open().await;
    objects.finish(id, &committed(&[(1, 3), (2, 2)])).await.unwrap();
    assert_eq!(read(&*site.open().await, id, 0..5).await.unwrap(), b"hello");
}

/// Its leftovers are not before what is written now.
pub async fn a_fence_that_was_never_committed_begins_anew(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    segment(&*objects, id, 1, b"leftovers").await;
    segment(&*objects, id, 1, b"hello").await;
    objects.finish(id, &committed(&[(1, 5)])).await.unwrap();
    assert_eq!(read(&*objects, id, 0..5).await.unwrap(), b"hello");
}

/// Of a large one too, in pieces; beyond its end there is an error, and no silence.
pub async fn a_range_gives_its_bytes_and_no_others(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    segment(&*objects, id, 1, &bytes).await;
    objects.finish(id, &committed(&[(1, 1_000_000)])).await.unwrap();
    for range in [0..1, 999_999..1_000_000, 262_143..262_145, 300_000..900_000, 5..5, 0..1_000_000]
    {
        let part = bytes[range.start as usize..range.end as usize].to_vec();
        assert!(read(&*objects, id, range.clone()).await.unwrap() == part, "{range:?}");
    }
    assert!(read(&*objects, id, 999_999..1_000_001).await.is_err());
    let nobody = read(&*objects, MediumId::random(), 0..1).await.unwrap_err();
    assert!(matches!(nobody, ObjectError::NotFound { .. }), "{nobody}");
}

/// An empty file is a file.
pub async fn an_object_may_be_empty(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    objects.finish(id, &[]).await.unwrap();
    assert!(read(&*objects, id, 0..0).await.unwrap().is_empty());
    assert!(read(&*objects, id, 0..1).await.is_err());
}

/// An object with its segments, segments by themselves, and what was never there.
pub async fn what_is_removed_is_gone_and_may_be_removed_again(site: &dyn Site) {
    let (objects, id) = (site.open().await, MediumId::random());
    segment(&*objects, id, 1, b"hello").await;
    segment(&*objects, id, 2, b"!").await;
    objects.finish(id, &committed(&[(1, 5)])).await.unwrap();
    for _ in 0..2 {
        objects.delete(id).await.unwrap();
        assert!(read(&*objects, id, 0..1).await.is_err());
    }
    let half = MediumId::random();
    segment(&*objects, half, 1, b"hello").await;
    for _ in 0..2 {
        objects.discard_segments(half).await.unwrap();
    }
    assert!(objects.finish(half, &committed(&[(1, 5)])).await.is_err());
    assert_eq!(objects.list().await.unwrap(), Listing::default());
}

/// For the collector.
pub async fn what_lies_there_is_listed(site: &dyn Site) {
    let objects = site.open().await;
    assert_eq!(objects.list().await.unwrap(), Listing::default());
    let (whole, half) = (MediumId::random(), MediumId::random());
    segment(&*objects, whole, 1, b"hello").await;
    segment(&*objects, half, 1, b"hel").await;
    objects.finish(whole, &committed(&[(1, 5)])).await.unwrap();
    objects.discard_segments(whole).await.unwrap();
    let listing = objects.list().await.unwrap();
    assert_eq!(listing, Listing { unfinished: vec![half], finished: vec![whole] });
}
