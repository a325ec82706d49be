//! One direction of the proxy.

use std::{
    num::NonZeroU64,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on their way, per connection: what a delayed line holds before it pushes back.
const CHUNKS_MAX: usize = 64;
/// A throttled line writes this many portions a second.
const PORTIONS_PER_SECOND: u64 = 50;

/// One direction, over all connections of a proxy: its faults, and how much it carried.
#[derive(Debug, Default)]
pub struct Line {
    faults: watch::Sender<Faults>,
    /// Bytes until the one cut that [`Line::cut_after`] asked for.
    cut_in: Mutex<Option<u64>>,
    carried: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    delay: Duration,
    bytes_per_second: Option<NonZeroU64>,
    /// Each connection is cut after this many bytes of its own.
    cut_each_after: Option<u64>,
    frozen: bool,
}

/// How one direction of a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sender closed it, or the receiver is gone.
    Closed,
    /// A fault closed it.
    Cut,
}

impl Line {
    /// Every byte arrives this much later; the rate stays.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Each connection carries at most this many bytes a second; 0 takes the limit away.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.faults
            .send_modify(|faults| faults.bytes_per_second = NonZeroU64::new(bytes_per_second));
    }

    /// Carries this many more bytes, counted over all connections, then cuts the connection that
    /// carried the last of them. Happens once.
    pub fn cut_after(&self, bytes: u64) {
        *self.cut_in.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    /// Cuts each connection once it has carried this many bytes of its own.
    pub fn cut_each_after(&self, bytes: u64) {
        self.faults.send_modify(|faults| faults.cut_each_after = Some(bytes));
    }

    /// Holds everything back until [`Line::restore`].
    pub fn freeze(&self) {
        self.faults.send_modify(|faults| faults.frozen = true);
    }

    /// Takes every fault of this direction away.
    pub fn restore(&self) {
        *self.cut_in.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.faults.send_replace(Faults::default());
    }

    /// Bytes carried so far, over all connections.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::SeqCst)
    }

    /// Carries one direction of one connection to its end.
    pub(super) async fn carry(&self, from: OwnedReadHalf, to: OwnedWriteHalf) -> Ending {
        let (sent, arrived) = mpsc::channel(CHUNKS_MAX);
        let mut delivery = std::pin::pin!(self.deliver(arrived, to));
        tokio::select! {
            ending = &mut delivery => ending,
            () = take_in(from, sent) => delivery.await,
        }
    }

    async fn deliver(&self, mut arrived: mpsc::Receiver<Chunk>, mut to: OwnedWriteHalf) -> Ending {
        let mut faults = self.faults.subscribe();
        let mut carried_here = 0;
        while let Some(mut chunk) = arrived.recv().await {
            while !chunk.bytes.is_empty() {
                wait_until_due(&mut faults, chunk.taken_at).await;
                let now = *faults.borrow_and_update();
                let mut portion = chunk.bytes.split_to(portion_length(now, chunk.bytes.len()));
                let cut = self.cut_within(now, carried_here, portion.len() as u64);
                portion.truncate(cut.map_or(portion.len(), |length| length as usize));
                if to.write_all(&portion).await.is_err() {
                    return Ending::Closed;
                }
                carried_here += portion.len() as u64;
                self.carried.fetch_add(portion.len() as u64, Ordering::SeqCst);
                if cut.is_some() {
                    let _ = to.shutdown().await;
                    return Ending::Cut;
                }
                pace(&mut faults, portion.len()).await;
            }
        }
        let _ = to.shutdown().await;
        Ending::Closed
    }

    /// After how many of the next `length` bytes the connection is cut, if within them at all.
    fn cut_within(&self, faults: Faults, carried_here: u64, length: u64) -> Option<u64> {
        let own = faults.cut_each_after.map(|limit| limit.saturating_sub(carried_here));
        let own = own.filter(|own| *own <= length);
        let mut cut_in = self.cut_in.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(common) = *cut_in else {
            return own;
        };
        let carried = own.unwrap_or(length).min(common);
        *cut_in = Some(common - carried).filter(|left| *left > 0);
        if cut_in.is_none() { Some(carried) } else { own }
    }
}

#[derive(Debug)]
struct Chunk {
    taken_at: Instant,
    bytes: Bytes,
}

/// Reads until the end; an error counts as one.
async fn take_in(mut from: OwnedReadHalf, sent: mpsc::Sender<Chunk>) {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => (),
        }
        let chunk = Chunk { taken_at: Instant::now(), bytes: buffer.freeze() };
        if sent.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Waits while the line is frozen, and until the delay is over, whatever changes meanwhile.
async fn wait_until_due(faults: &mut watch::Receiver<Faults>, taken_at: Instant) {
    loop {
        let now = *faults.borrow_and_update();
        let due = taken_at + now.delay;
        if !now.frozen && due <= Instant::now() {
            return;
        }
        tokio::select! {
            () = sleep_until(due), if !now.frozen => return,
            changed = faults.changed() => if changed.is_err() { return },
        }
    }
}

/// After a portion: waits for its time on a throttled line.
async fn pace(faults: &mut watch::Receiver<Faults>, length: usize) {
    let Some(bytes_per_second) = faults.borrow().bytes_per_second else {
        return;
    };
    let time = Duration::from_secs_f64(length as f64 / bytes_per_second.get() as f64);
    tokio::select! {
        () = sleep(time) => (),
        _ = faults.changed() => (),
    }
}

fn portion_length(faults: Faults, available: usize) -> usize {
    let portion = faults
        .bytes_per_second
        .map_or(u64::MAX, |bytes_per_second| (bytes_per_second.get() / PORTIONS_PER_SECOND).max(1));
    available.min(usize::try_from(portion).unwrap_or(usize::MAX))
}
