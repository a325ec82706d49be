//! Whether a connection has anything to do.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use tokio::sync::Notify;
use tower::ServiceExt;

/// Counts the requests of one connection, each until the last byte of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    in_flight: AtomicUsize,
    changed: Notify,
}

impl Activity {
    /// The router, watched.
    pub(super) fn watch(&self, router: Router) -> Watched {
        Watched { router, counter: Arc::clone(&self.0) }
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
}

/// A router whose requests are counted.
pub(super) struct Watched {
    router: Router,
    counter: Arc<Counter>,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<WatchedBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = InFlight::new(&self.counter);
        let router = self.router.clone();
        Box::pin(async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            Ok(response.map(|body| WatchedBody { body, _in_flight: in_flight }))
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
    _in_flight: InFlight,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
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
}
