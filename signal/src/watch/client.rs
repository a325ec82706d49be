//! Keeps a watch stream open.

use std::{future::pending, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture};
use nudge_proto::{
    session::Backoff,
    watch::{Down, DownStream, Watch, WatchError},
};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{downward, traced::Traced, upward::Upward};
use crate::{
    limits::{
        WATCH_MOVE_CHECK, WATCH_OPEN_TIMEOUT, WATCH_RETRY_MAX, WATCH_RETRY_MIN, WATCH_WELL_AFTER,
    },
    node::Node,
    seat::StreamNumber,
};

/// Keeps a watch stream open: opens it again when it breaks, and moves to another when asked to.
#[derive(Debug)]
pub(crate) struct WatchClient {
    node: Arc<Node>,
    watch: Arc<dyn Watch>,
    stop: CancellationToken,
    /// The number given to the newest stream.
    newest: StreamNumber,
    backoff: Backoff,
}

/// One open stream; closes when dropped.
struct OpenStream {
    number: StreamNumber,
    upward: Arc<Upward>,
    down: DownStream,
}

type Opening = BoxFuture<'static, Result<OpenStream, WatchError>>;

/// The streams of a node that may be about to move.
struct Streams {
    current: OpenStream,
    /// The one before, until every session has arrived on the current one.
    previous: Option<OpenStream>,
    next: Option<Opening>,
}

impl WatchClient {
    pub(crate) fn new(node: Arc<Node>, watch: Arc<dyn Watch>, stop: CancellationToken) -> Self {
        let backoff = Backoff::new(WATCH_RETRY_MIN, WATCH_RETRY_MAX, fastrand::u64(..));
        Self { node, watch, stop, newest: 0, backoff }
    }

    /// Runs until it is stopped.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        let keep_open = async {
            loop {
                let opened = self.open().await;
                let (broken, wait) = match opened {
                    Ok(stream) => self.use_and_serve(stream).await,
                    Err(error) => (error, self.backoff.next_wait()),
                };
                self.node.link.cut(self.newest);
                self.node.telemetry.watch_is_down(&broken);
                tracing::warn!(reason = %broken, "the watch is down");
                sleep(wait).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep_open => {}
        }
        self.node.link.cut(self.newest);
    }

    /// Returns why the stream broke, and how long to wait before the next.
    async fn use_and_serve(&mut self, current: OpenStream) -> (WatchError, Duration) {
        let opened_at = Instant::now();
        self.use_stream(&current);
        let broken = self.serve(Streams { current, previous: None, next: None }).await;
        if opened_at.elapsed() < WATCH_WELL_AFTER {
            return (broken, self.backoff.next_wait());
        }
        // Another fetch node may be there at once; not all signal nodes should come in one instant.
        self.backoff.reset();
        (broken, self.backoff.within(Duration::ZERO, WATCH_RETRY_MIN))
    }

    fn open(&mut self) -> Opening {
        self.newest += 1;
        let number = self.newest;
        let watch = Arc::clone(&self.watch);
        Box::pin(async move {
            let upward = Upward::new(number);
            let opened = watch.open(Box::pin(Arc::clone(&upward).batches()));
            let down = timeout(WATCH_OPEN_TIMEOUT, opened).await.map_err(|_| {
                WatchError::Unavailable(format!("no answer within {WATCH_OPEN_TIMEOUT:?}"))
            })??;
            Ok(OpenStream { number, upward, down })
        })
    }

    /// Tells everything to this stream from now on, and everything that is held first.
    fn use_stream(&self, stream: &OpenStream) {
        self.node.link.switch_to(Arc::clone(&stream.upward));
        let mut held = Vec::new();
        self.node.registry.for_sessions(|seat| held.push(Arc::clone(seat)));
        tracing::info!(sessions = held.len(), "the watch is up");
        stream.upward.hold_all(held);
        self.node.telemetry.watch_is_up(self.watch.warning());
    }

    async fn serve(&mut self, mut streams: Streams) -> WatchError {
        let mut move_check = interval(WATCH_MOVE_CHECK);
        loop {
            tokio::select! {
                batch = streams.current.down.next() => match batch {
                    Some(Ok(items)) => self.take_in(&mut streams, items),
                    Some(Err(error)) => return error,
                    None => return WatchError::Unavailable("the stream ended".to_owned()),
                },
                batch = next_of_previous(&mut streams.previous) => match batch {
                    Some(items) => self.apply(streams.previous_number(), items),
                    None => self.leave_previous(&mut streams),
                },
                opened = next_opened(&mut streams.next) => self.move_on(&mut streams, opened),
                _ = move_check.tick(), if streams.previous.is_some() => {
                    if self.have_all_arrived(streams.current.number) {
                        self.leave_previous(&mut streams);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, streams: &mut Streams, items: Vec<Down>) {
        let is_moving = items.iter().any(|item| matches!(item, Down::Moving { .. }));
        self.apply(streams.current.number, items);
        if is_moving && streams.next.is_none() {
            streams.next = Some(self.open());
        }
    }

    fn apply(&self, stream: StreamNumber, items: Vec<Down>) {
        let mut traced = Traced::default();
        for item in items {
            downward::apply(&self.node, stream, item, &mut traced);
        }
    }

    /// The stream to move to is open, or has to be tried again.
    fn move_on(&mut self, streams: &mut Streams, opened: Result<OpenStream, WatchError>) {
        match opened {
            Ok(stream) => {
                self.use_stream(&stream);
                streams.next = None;
                streams.previous = Some(std::mem::replace(&mut streams.current, stream));
                self.node.link.retire_before(streams.previous_number());
            }
            Err(error) => {
                tracing::warn!(reason = %error, "the watch cannot move yet");
                let wait = self.backoff.next_wait();
                let open = self.open();
                streams.next = Some(Box::pin(async move {
                    sleep(wait).await;
                    open.await
                }));
            }
        }
    }

    fn leave_previous(&self, streams: &mut Streams) {
        streams.previous = None;
        self.node.link.retire_before(streams.current.number);
    }

    fn have_all_arrived(&self, stream: StreamNumber) -> bool {
        // One that is new has nothing to lose on the earlier stream.
        let mut missing = 0_usize;
        self.node.registry.for_sessions(|seat| {
            missing += usize::from(seat.is_held_only_before(stream));
        });
        missing == 0
    }
}

impl Streams {
    fn previous_number(&self) -> StreamNumber {
        self.previous.as_ref().map_or(self.current.number, |previous| previous.number)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.upward.close();
    }
}

/// `None` when the previous stream has ended.
async fn next_of_previous(previous: &mut Option<OpenStream>) -> Option<Vec<Down>> {
    match previous {
        Some(stream) => stream.down.next().await?.ok(),
        None => pending().await,
    }
}

async fn next_opened(next: &mut Option<Opening>) -> Result<OpenStream, WatchError> {
    match next {
        Some(opening) => opening.await,
        None => pending().await,
    }
}
