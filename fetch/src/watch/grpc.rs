//! The watch over gRPC: batches from and to their wire form, and who may open a stream.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use futures::{Stream, StreamExt, future, stream::BoxStream};
use nudge_proto::{
    limits::{WATCH_LARGE_BATCH, WATCH_MESSAGE_BYTES_MAX, WATCH_MESSAGE_GAP},
    pb::watch::{
        self as pb,
        watch_server::{self, SERVICE_NAME, WatchServer},
    },
    watch::{
        DownStream, InvalidBatch, NodeName, StoreId, UpStream, WatchError, decode_up, encode_down,
    },
};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Request, Response, Status, Streaming};

use super::{HubWatch, streams::Origin};
use crate::{
    auth::Peer,
    config::WatchGuard,
    server::{ByCertificate, Line},
};

/// The routes of the watch.
pub(crate) fn routes(hub: HubWatch, guard: WatchGuard, store_id: StoreId) -> Router {
    let server = WatchServer::new(WatchService { hub, guard, store_id })
        .max_decoding_message_size(WATCH_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(WATCH_MESSAGE_BYTES_MAX);
    Router::new().route_service(&format!("/{SERVICE_NAME}/{{*method}}"), server)
}

struct WatchService {
    hub: HubWatch,
    guard: WatchGuard,
    store_id: StoreId,
}

#[tonic::async_trait]
impl watch_server::Watch for WatchService {
    type OpenStream = BoxStream<'static, Result<pb::WatchDown, Status>>;

    async fn open(
        &self,
        request: Request<Streaming<pb::WatchUp>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        if let Err(refusal) = self.admit(&request) {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
            tracing::warn!(?peer, reason = refusal.message(), "a watch was refused");
            return Err(refusal);
        }
        let (broken, origin) = (Broken::default(), origin(&request));
        let up = upward(request.into_inner(), broken.clone());
        let down = self.hub.open_from(origin, up).await.map_err(|error| refused(&error))?;
        let pause = Box::pin(sleep(Duration::ZERO));
        let down = Downward { down, pause, broken, is_over: false };
        let mut response = Response::new(down.boxed());
        if let Ok(store_id) = self.store_id.to_string().try_into() {
            response.metadata_mut().insert(StoreId::HEADER, store_id);
        }
        Ok(response)
    }
}

impl WatchService {
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let WatchGuard { secrets, certificate } = &self.guard;
        if *certificate && request.extensions().get::<ByCertificate>().is_none() {
            return Err(Status::unauthenticated(
                "a certificate of the client authority is needed, and none was shown",
            ));
        }
        if secrets.is_empty() {
            return Ok(());
        }
        let Some(shown) = request.metadata().get("authorization") else {
            return Err(Status::unauthenticated("the watch secret is needed, and none was shown"));
        };
        // All are looked at, whichever opens.
        let opens = secrets.iter().filter(|secret| secret.opens(shown.as_bytes())).count();
        match opens {
            0 => Err(Status::unauthenticated("the watch secret is another one")),
            _ => Ok(()),
        }
    }
}

/// A name that is none is left out: nothing depends on it.
fn origin<T>(request: &Request<T>) -> Origin {
    let name = request.metadata().get(NodeName::HEADER).and_then(|name| name.to_str().ok());
    Origin {
        name: name.and_then(|name| name.parse().ok()),
        line: request.extensions().get::<Line>().cloned(),
    }
}

fn refused(error: &WatchError) -> Status {
    match error {
        WatchError::Unavailable(why) => Status::unavailable(why),
        WatchError::Refused(why) | WatchError::OtherStore(why) => Status::permission_denied(why),
        WatchError::Malformed(why) => Status::invalid_argument(why),
    }
}

/// What was wrong with the upward half, for the node to read when its downward half ends.
#[derive(Clone, Default)]
struct Broken(Arc<OnceLock<Status>>);

impl Broken {
    fn malformed(&self, error: &InvalidBatch) {
        let _ = self.0.set(Status::invalid_argument(error.to_string()));
    }
}

/// Ends at the first batch that cannot be taken in.
fn upward(batches: Streaming<pb::WatchUp>, broken: Broken) -> UpStream {
    batches
        .map(move |batch| match batch.map(decode_up) {
            Ok(Ok(batch)) => Some(batch),
            Ok(Err(error)) => {
                broken.malformed(&error);
                None
            }
            Err(status) => {
                let _ = broken.0.set(status);
                None
            }
        })
        .take_while(|batch| future::ready(batch.is_some()))
        .filter_map(future::ready)
        .boxed()
}

struct Downward {
    down: DownStream,
    /// After a small batch.
    pause: Pin<Box<Sleep>>,
    broken: Broken,
    is_over: bool,
}

impl Stream for Downward {
    type Item = Result<pb::WatchDown, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(context));
        let next = ready!(self.down.poll_next_unpin(context));
        Poll::Ready(match next {
            Some(Ok(batch)) => {
                if batch.len() < WATCH_LARGE_BATCH {
                    self.pause.as_mut().reset(Instant::now() + WATCH_MESSAGE_GAP);
                }
                Some(Ok(encode_down(&batch)))
            }
            Some(Err(error)) => {
                self.is_over = true;
                Some(Err(refused(&error)))
            }
            None => {
                self.is_over = true;
                self.broken.0.get().cloned().map(Err)
            }
        })
    }
}
