//! Whether a connection has anything to do.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use tokio::{sync::Notify, time::Instant};
use tower::ServiceExt;

use super::{ByCertificate, Line};
use crate::auth::Peer;

/// Counts the requests of one connection, each until the last byte of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    in_flight: AtomicUsize,
    changed: Notify,
    /// Since when each unfinished body waits for its peer to take more of it.
    moved: Mutex<HashMap<u64, Instant>>,
    next_body: AtomicU64,
}

impl Activity {
    /// The router, watched, and told where its requests come from.
    pub(super) fn watch(
        &self,
        router: Router,
        line: Line,
        certificate: Option<ByCertificate>,
    ) -> Watched {
        Watched { router, line, certificate, counter: Arc::clone(&self.0) }
    }

    /// Returns when there was no request for that long.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.in_flight.load(Ordering::Acquire) > 0 {
                changed.await;
            } else if tokio::time::timeout(time, changed).await.is_err() {
                return;
            }
        }
    }

    /// Returns when some answer's body was not taken any further for that long. Whoever does not open a
    /// stream's window would hold its file and buffers for ever, and answer pings all the while. A body that
    /// has nothing to give waits for nobody.
    pub(super) async fn stalled_for(&self, time: Duration) {
        loop {
            tokio::time::sleep(time / 4).await;
            if self.0.moved().values().any(|moved| moved.elapsed() >= time) {
                return;
            }
        }
    }
}

impl Counter {
    fn moved(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A router whose requests are counted.
pub(super) struct Watched {
    router: Router,
    line: Line,
    certificate: Option<ByCertificate>,
    counter: Arc<Counter>,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<WatchedBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Peer(self.line.address.ip()));
        request.extensions_mut().insert(self.line.clone());
        if let Some(certificate) = self.certificate {
            request.extensions_mut().insert(certificate);
        }
        let in_flight = InFlight::new(&self.counter);
        let router = self.router.clone();
        Box::pin(async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            Ok(response.map(|body| WatchedBody::new(body, in_flight)))
        })
    }
}

struct InFlight(Arc<Counter>);

impl InFlight {
    fn new(counter: &Arc<Counter>) -> Self {
        counter.in_flight.fetch_add(1, Ordering::AcqRel);
        counter.changed.notify_one();
        Self(Arc::clone(counter))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// An answer's body; its request is in flight while it lives.
pub(super) struct WatchedBody {
    body: Body,
    in_flight: InFlight,
    number: u64,
}

impl WatchedBody {
    fn new(body: Body, in_flight: InFlight) -> Self {
        let number = in_flight.0.next_body.fetch_add(1, Ordering::Relaxed);
        let body = Self { body, in_flight, number };
        body.note_move();
        body
    }

    fn note_move(&self) {
        self.in_flight.0.moved().insert(self.number, Instant::now());
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.in_flight.0.moved().remove(&self.number);
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // It is only asked for more while the peer takes it.
        match frame {
            Poll::Ready(_) => self.note_move(),
            Poll::Pending => {
                self.in_flight.0.moved().remove(&self.number);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_when_its_last_answer_is_out() {
        let activity = Activity::default();
        let idle = activity.idle_for(Duration::from_secs(10));
        tokio::pin!(idle);
        let request = InFlight::new(&activity.0);
        let pending = tokio::time::timeout(Duration::from_secs(60), idle.as_mut()).await;
        assert!(pending.is_err(), "a request is in flight");
        drop(request);
        let pending = tokio::time::timeout(Duration::from_secs(9), idle.as_mut()).await;
        assert!(pending.is_err(), "the time is not over");
        tokio::time::timeout(Duration::from_secs(2), idle).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn p5_a_body_that_nobody_takes_is_given_up_and_a_slow_one_is_not() {
        let activity = Activity::default();
        let time = Duration::from_secs(100);
        let pieces =
            futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"piece")));
        let mut body = WatchedBody::new(Body::from_stream(pieces), InFlight::new(&activity.0));
        let stalled = activity.stalled_for(time);
        tokio::pin!(stalled);
        for _ in 0..5 {
            assert!(body.frame().await.is_some());
            let waited = tokio::time::timeout(time * 9 / 10, stalled.as_mut()).await;
            assert!(waited.is_err(), "it moves, if slowly");
        }
        tokio::time::timeout(time / 2, stalled.as_mut()).await.unwrap();
        drop(body);
        let waited = tokio::time::timeout(10 * time, activity.stalled_for(time)).await;
        assert!(waited.is_err(), "nobody waits for what has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_has_nothing_to_give_is_not_stalled() {
        let activity = Activity::default();
        let piece = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"piece"))]);
        let quiet = Body::from_stream(futures::StreamExt::chain(piece, futures::stream::pending()));
        let mut body = WatchedBody::new(quiet, InFlight::new(&activity.0));
        assert!(body.frame().await.is_some());
        assert!(futures::poll!(body.frame()).is_pending());
        let time = Duration::from_secs(100);
        let waited = tokio::time::timeout(10 * time, activity.stalled_for(time)).await;
        assert!(waited.is_err(), "its peer asked for more");
        drop(body);
    }
}
