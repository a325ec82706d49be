//! What every place for objects must do, as checks that any implementation can be held to.
//! [`objects_conformance!`](crate::objects_conformance) turns them into tests, like those of the store.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

mod rows;

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, future::join_all};
use nudge_proto::MediumId;

use super::{Found, Ledger, ObjectError, ObjectName, Objects, Writer};
pub use rows::{Identity, Rows};

/// Where objects lie.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    /// Opens it, as often as asked: the same objects each time.
    async fn open(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Objects>;
}

/// Makes a test of every check; the argument is an expression for a fresh
/// [`Site`](crate::objects::conformance::Site).
#[macro_export]
macro_rules! objects_conformance {
    ($site:expr) => {
        $crate::objects_conformance! { @tests $site;
            p6_requests_are_joined_in_their_order,
            p6_small_requests_add_up,
            p6_large_requests_are_joined_wherever_they_are_cut,
            p6_what_was_not_committed_is_left_out,
            p6_giving_back_takes_nothing_that_was_committed,
            p6_requests_that_overlap_do_not_mix,
            p6_large_requests_that_overlap_do_not_mix,
            p6_a_request_that_died_is_gone_on_from,
            p6_finishing_twice_is_finishing_once,
            p6_finishing_at_once_makes_one_object,
            p6_without_all_its_bytes_there_is_no_object,
            p6_what_was_committed_outlives_the_process,
            a_range_gives_its_bytes_and_no_others,
            an_object_may_be_empty,
            what_is_removed_is_gone_and_may_be_removed_again,
            what_lies_there_is_listed,
            nothing_is_left_of_a_medium_but_its_object,
        }
    };
    (@tests $site:expr; $($check:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            $crate::objects::conformance::$check(&$site).await;
        }
    )*};
}

/// A place, and the rows that go with it.
struct Desk {
    objects: Arc<dyn Objects>,
    rows: Arc<Rows>,
}

impl Desk {
    async fn open(site: &dyn Site) -> Self {
        Self::with(site, Arc::default()).await
    }

    async fn with(site: &dyn Site, rows: Arc<Rows>) -> Self {
        Self { objects: site.open(Arc::clone(&rows) as _).await, rows }
    }

    /// An upload without bytes.
    fn create(&self, size: usize) -> MediumId {
        self.rows.create(size as u64)
    }

    /// Begins a request.
    async fn begin(&self, id: MediumId) -> Turn {
        let upload = self.rows.begin(id);
        Turn { id, fence: upload.fence, writer: self.objects.write(upload).await.unwrap() }
    }

    /// Appends and commits in one request.
    async fn append(&self, id: MediumId, bytes: &[u8]) {
        let mut turn = self.begin(id).await;
        turn.append(bytes).await;
        self.commit(&mut turn).await;
        turn.writer.give_back().await.unwrap();
    }

    /// What a request has appended counts; `false` when it was taken over.
    async fn commit(&self, turn: &mut Turn) -> bool {
        let Some(layout) = turn.writer.sync().await.unwrap() else { return true };
        let is_committed = self.rows.commit(turn.id, turn.fence, &layout);
        if is_committed {
            turn.writer.committed().await;
        }
        is_committed
    }

    async fn finish(&self, id: MediumId) -> Result<ObjectName, ObjectError> {
        let upload = self.rows.upload(id);
        self.objects.finish(id, upload.size, &upload.layout).await
    }

    async fn read(
        &self,
        id: MediumId,
        object: &ObjectName,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectError> {
        let pieces: Vec<Bytes> = self.objects.read(id, object, range).await?.try_collect().await?;
        Ok(pieces.concat())
    }

    /// Finishes, and finds these bytes and no others.
    async fn finish_as(&self, id: MediumId, bytes: &[u8]) -> ObjectName {
        let object = self.finish(id).await.unwrap();
        let length = bytes.len() as u64;
        assert!(self.read(id, &object, 0..length).await.unwrap() == bytes);
        assert!(self.read(id, &object, 0..length + 1).await.is_err());
        object
    }

    async fn list(&self) -> Vec<Found> {
        self.objects.list().await.unwrap().try_collect().await.unwrap()
    }
}

/// A request that writes.
struct Turn {
    id: MediumId,
    fence: u64,
    writer: Box<dyn Writer>,
}

impl Turn {
    async fn append(&mut self, bytes: &[u8]) {
        self.writer.append(Bytes::copy_from_slice(bytes)).await.unwrap();
    }
}

/// Bytes that tell where they are from.
fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// Whatever wrote them.
pub async fn p6_requests_are_joined_in_their_order(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let id = desk.create(11);
    desk.append(id, b"hello ").await;
    desk.append(id, b"world").await;
    desk.finish_as(id, b"hello world").await;
}

/// However many.
pub async fn p6_small_requests_add_up(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let bytes = noise(40);
    let id = desk.create(40);
    for byte in &bytes {
        desk.append(id, &[*byte]).await;
    }
    desk.finish_as(id, &bytes).await;
}

/// Also when one commits several times.
pub async fn p6_large_requests_are_joined_wherever_they_are_cut(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let bytes = noise(LARGE);
    for cut in [1, MIB, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB, LARGE - 1] {
        let id = desk.create(LARGE);
        desk.append(id, &bytes[..cut]).await;
        let mut turn = desk.begin(id).await;
        for piece in bytes[cut..].chunks(3 * MIB) {
            turn.append(piece).await;
            assert!(desk.commit(&mut turn).await);
        }
        let object = desk.finish_as(id, &bytes).await;
        for range in [0..1, (5 << 20) - 1..(5 << 20) + 1, (10 << 20) - 7..LARGE as u64] {
            let part = &bytes[range.start as usize..range.end as usize];
            assert!(desk.read(id, &object, range.clone()).await.unwrap() == part, "{range:?}");
        }
    }
}

/// Small or large.
pub async fn p6_what_was_not_committed_is_left_out(site: &dyn Site) {
    let desk = Desk::open(site).await;
    for (counts, more) in [(5, 9), (5, LARGE), (6 * MIB, 1), (6 * MIB, 9 * MIB)] {
        let bytes = noise(counts + more);
        let (one, two) = (desk.create(counts), desk.create(counts + 7));
        for id in [one, two] {
            let mut turn = desk.begin(id).await;
            turn.append(&bytes[..counts]).await;
            assert!(desk.commit(&mut turn).await);
            turn.append(&bytes[counts..]).await;
            turn.writer.sync().await.unwrap();
        }
        desk.append(two, b"ocean's").await;
        desk.finish_as(one, &bytes[..counts]).await;
        desk.finish_as(two, &[&bytes[..counts], b"ocean's"].concat()).await;
    }
}

/// Whether or not the medium is whole by then.
pub async fn p6_giving_back_takes_nothing_that_was_committed(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let id = desk.create(5);
    let mut first = desk.begin(id).await;
    first.append(b"hello").await;
    assert!(desk.commit(&mut first).await);
    first.append(b" and more").await;
    first.writer.sync().await.unwrap();
    first.writer.give_back().await.unwrap();
    let mut unused = desk.begin(id).await;
    unused.append(b"refused").await;
    unused.writer.give_back().await.unwrap();
    let object = desk.finish_as(id, b"hello").await;
    first.writer.give_back().await.unwrap();
    desk.objects.tidy(id, &desk.rows.upload(id).layout, &object).await.unwrap();
    unused.writer.give_back().await.unwrap();
    desk.finish_as(id, b"hello").await;
}

/// A request that was taken over goes on writing what nobody will read.
pub async fn p6_requests_that_overlap_do_not_mix(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let id = desk.create(5);
    let mut older = desk.begin(id).await;
    older.append(b"hel").await;
    assert!(desk.commit(&mut older).await);
    let mut newer = desk.begin(id).await;
    older.append(b"XXXX").await;
    newer.append(b"lo").await;
    assert!(desk.commit(&mut newer).await);
    assert!(!desk.commit(&mut older).await, "it was taken over");
    desk.finish_as(id, b"hello").await;
    // Also after the object is there.
    let _ = older.writer.append(Bytes::from_static(b"YYYY")).await;
    let _ = older.writer.sync().await;
    let _ = older.writer.give_back().await;
    desk.finish_as(id, b"hello").await;
}

/// At any instant of the older one, on another node.
pub async fn p6_large_requests_that_overlap_do_not_mix(site: &dyn Site) {
    let here = Desk::open(site).await;
    let there = Desk::with(site, Arc::clone(&here.rows)).await;
    let (bytes, wrong) = (noise(LARGE), vec![b'X'; 6 * MIB]);
    for counts in [0, 1, 5 * MIB, 7 * MIB, 10 * MIB] {
        for ahead in [0, MIB, 6 * MIB] {
            let id = here.create(LARGE);
            let mut older = here.begin(id).await;
            for piece in bytes[..counts].chunks(5 * MIB) {
                older.append(piece).await;
                assert!(here.commit(&mut older).await);
            }
            older.append(&wrong[..ahead]).await;
            let mut newer = there.begin(id).await;
            let mut at = counts;
            while at < LARGE {
                let end = LARGE.min(at + 4 * MIB);
                newer.append(&bytes[at..end]).await;
                let _ = older.writer.append(Bytes::copy_from_slice(&wrong)).await;
                if let Ok(Some(layout)) = older.writer.sync().await {
                    assert!(!here.rows.commit(id, older.fence, &layout), "it was taken over");
                }
                assert!(there.commit(&mut newer).await);
                at = end;
            }
            let _ = older.writer.append(Bytes::copy_from_slice(&wrong)).await;
            there.finish_as(id, &bytes).await;
            let _ = older.writer.give_back().await;
            there.finish_as(id, &bytes).await;
        }
    }
}

/// Wherever it was.
pub async fn p6_a_request_that_died_is_gone_on_from(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let bytes = noise(LARGE);
    for counts in [0, 3, 5 * MIB, 8 * MIB] {
        for ahead in [1, 6 * MIB] {
            let id = desk.create(LARGE);
            let mut dead = desk.begin(id).await;
            dead.append(&bytes[..counts]).await;
            assert!(desk.commit(&mut dead).await);
            dead.append(&bytes[counts..LARGE.min(counts + ahead)]).await;
            drop(dead);
            let desk = Desk::with(site, Arc::clone(&desk.rows)).await;
            desk.append(id, &bytes[counts..9 * MIB]).await;
            desk.append(id, &bytes[9 * MIB..]).await;
            desk.finish_as(id, &bytes).await;
        }
    }
}

/// Also when what it was made of is gone.
pub async fn p6_finishing_twice_is_finishing_once(site: &dyn Site) {
    let desk = Desk::open(site).await;
    for size in [5, LARGE] {
        let bytes = noise(size);
        let id = desk.create(size);
        desk.append(id, &bytes[..3]).await;
        desk.append(id, &bytes[3..]).await;
        let object = desk.finish_as(id, &bytes).await;
        assert_eq!(desk.finish_as(id, &bytes).await, object);
        desk.objects.tidy(id, &desk.rows.upload(id).layout, &object).await.unwrap();
        assert_eq!(desk.finish_as(id, &bytes).await, object);
    }
}

/// Two requests both saw the last byte, here or on two nodes.
pub async fn p6_finishing_at_once_makes_one_object(site: &dyn Site) {
    let here = Desk::open(site).await;
    let there = Desk::with(site, Arc::clone(&here.rows)).await;
    for size in [200_000, LARGE] {
        let bytes = noise(size);
        let id = here.create(size);
        here.append(id, &bytes[..size / 2]).await;
        there.append(id, &bytes[size / 2..]).await;
        let finishing = (0..8).map(|n| if n % 2 == 0 { here.finish(id) } else { there.finish(id) });
        let objects: Vec<_> =
            join_all(finishing).await.into_iter().map(|finished| finished.unwrap()).collect();
        assert!(objects.iter().all(|object| *object == objects[0]), "{objects:?}");
        here.finish_as(id, &bytes).await;
    }
}

/// Neither when some are missing from the layout nor when they are missing from the place.
pub async fn p6_without_all_its_bytes_there_is_no_object(site: &dyn Site) {
    let desk = Desk::open(site).await;
    for size in [6, LARGE] {
        let bytes = noise(size);
        let id = desk.create(size);
        desk.append(id, &bytes[..size - 1]).await;
        let refused = desk.finish(id).await.unwrap_err();
        assert!(matches!(refused, ObjectError::NotFound { .. }), "{refused}");
        desk.append(id, &bytes[size - 1..]).await;
        desk.finish_as(id, &bytes).await;
    }
    let gone = desk.create(5);
    desk.append(gone, b"hello").await;
    desk.objects.delete(gone).await.unwrap();
    let refused = desk.finish(gone).await.unwrap_err();
    let is_missing = matches!(refused, ObjectError::NotFound { .. } | ObjectError::Lost { .. });
    assert!(is_missing, "{refused}");
}

/// What was committed is there for the next one.
pub async fn p6_what_was_committed_outlives_the_process(site: &dyn Site) {
    let rows = Arc::new(Rows::default());
    let bytes = noise(LARGE);
    let id = rows.create(LARGE as u64);
    for piece in bytes.chunks(2 * MIB + 1) {
        Desk::with(site, Arc::clone(&rows)).await.append(id, piece).await;
    }
    let object = Desk::with(site, Arc::clone(&rows)).await.finish(id).await.unwrap();
    let desk = Desk::with(site, rows).await;
    assert!(desk.read(id, &object, 0..LARGE as u64).await.unwrap() == bytes);
}

/// Of a large one too, in pieces; beyond its end there is an error, and no silence.
pub async fn a_range_gives_its_bytes_and_no_others(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let bytes = noise(1_000_000);
    let id = desk.create(1_000_000);
    desk.append(id, &bytes).await;
    let object = desk.finish(id).await.unwrap();
    for range in [0..1, 999_999..1_000_000, 262_143..262_145, 300_000..900_000, 5..5, 0..1_000_000]
    {
        let part = bytes[range.start as usize..range.end as usize].to_vec();
        assert!(desk.read(id, &object, range.clone()).await.unwrap() == part, "{range:?}");
    }
    for beyond in [999_999..1_000_001, 1_000_000..1_000_001, 2_000_000..2_000_001] {
        assert!(desk.read(id, &object, beyond).await.is_err());
    }
    let nobody = desk.read(MediumId::random(), &object, 0..1).await.unwrap_err();
    assert!(matches!(nobody, ObjectError::NotFound { .. }), "{nobody}");
}

/// An empty file is a file.
pub async fn an_object_may_be_empty(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let id = desk.create(0);
    let object = desk.finish_as(id, b"").await;
    assert!(desk.read(id, &object, 0..1).await.is_err());
}

/// A medium, an upload, and what was never there.
pub async fn what_is_removed_is_gone_and_may_be_removed_again(site: &dyn Site) {
    let desk = Desk::open(site).await;
    for size in [5, LARGE] {
        let (whole, half) = (desk.create(size), desk.create(size));
        desk.append(whole, &noise(size)).await;
        let object = desk.finish(whole).await.unwrap();
        desk.append(half, &noise(size)[1..]).await;
        for _ in 0..2 {
            desk.objects.delete(whole).await.unwrap();
            desk.objects.delete(half).await.unwrap();
            assert!(desk.read(whole, &object, 0..1).await.is_err());
        }
    }
    assert_eq!(desk.list().await, []);
}

/// For the collector, which may remove it.
pub async fn what_lies_there_is_listed(site: &dyn Site) {
    let desk = Desk::open(site).await;
    assert_eq!(desk.list().await, []);
    let (whole, half) = (desk.create(5), desk.create(5));
    desk.append(whole, b"hello").await;
    desk.append(half, b"hel").await;
    let object = desk.finish(whole).await.unwrap();
    desk.objects.tidy(whole, &desk.rows.upload(whole).layout, &object).await.unwrap();
    let mut found = desk.list().await;
    found.sort_by_key(|found| found.id != whole);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], Found { id: whole, name: object.clone() });
    assert_eq!(found[1].id, half);
    for _ in 0..2 {
        desk.objects.remove(&found[1]).await.unwrap();
    }
    assert_eq!(desk.list().await, found[..1]);
    desk.objects.remove(&found[0]).await.unwrap();
    assert!(desk.read(whole, &object, 0..1).await.is_err());
}

/// However it came to be.
pub async fn nothing_is_left_of_a_medium_but_its_object(site: &dyn Site) {
    let desk = Desk::open(site).await;
    let bytes = noise(LARGE);
    let id = desk.create(LARGE);
    for piece in bytes.chunks(LARGE / 7) {
        desk.append(id, piece).await;
    }
    let object = desk.finish_as(id, &bytes).await;
    desk.objects.tidy(id, &desk.rows.upload(id).layout, &object).await.unwrap();
    assert_eq!(desk.list().await, [Found { id, name: object.clone() }]);
    for multipart in desk.rows.multiparts(id) {
        desk.objects.abort(id, &multipart).await.unwrap();
    }
    desk.finish_as(id, &bytes).await;
}

const MIB: usize = 1 << 20;
/// More than two parts of an object store.
const LARGE: usize = 12 * MIB + 345;
