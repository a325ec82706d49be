//! The gRPC call.

use std::{
    error::Error,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt,
    channel::oneshot::{self, Canceled},
    future::{FlattenStream, Map},
    stream,
};
use nudge_proto::{
    limits::{WATCH_LARGE_BATCH, WATCH_MESSAGE_BYTES_MAX, WATCH_MESSAGE_GAP},
    pb::watch::{WatchDown, WatchUp, watch_client::WatchClient},
    watch::{
        DownStream, InvalidBatch, InvalidStoreId, NodeName, StoreId, UpStream, WatchError,
        decode_down, encode_up,
    },
};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tonic::{Code, Request, Status, Streaming, metadata::MetadataMap};

use super::{config::Target, connection::Connection};
use crate::limits::WATCH_CONNECT_TIMEOUT;

/// A call that did not come about.
pub(super) struct Failed {
    pub(super) error: WatchError,
    /// Nothing was taken from it.
    pub(super) up: UpStream,
}

/// Opens a stream at an address, if the store there is `expected`, or none is; which it is, if that is said.
pub(super) async fn open(
    target: &Target,
    address: SocketAddr,
    expected: Option<StoreId>,
    up: UpStream,
) -> Result<(DownStream, Option<StoreId>), Failed> {
    // Nothing is said before the other side has accepted: another could not be told it any more.
    let (accepted, says) = oneshot::channel::<UpStream>();
    let batches = Upward::once(says);
    let opened =
        match timeout(WATCH_CONNECT_TIMEOUT, call(target, address, expected, batches)).await {
            Ok(opened) => opened,
            Err(_) => {
                Err(WatchError::Unavailable(format!("no answer within {WATCH_CONNECT_TIMEOUT:?}")))
            }
        };
    match opened {
        Ok(opened) => match accepted.send(up) {
            Ok(()) => Ok(opened),
            Err(up) => {
                Err(Failed { error: WatchError::Unavailable("it ended at once".to_owned()), up })
            }
        },
        Err(error) => Err(Failed { error, up }),
    }
}

/// What is said, once it is accepted.
struct Upward {
    batches: FlattenStream<Accepted>,
    /// After a small batch.
    pause: Pin<Box<Sleep>>,
}

type Accepted = Map<oneshot::Receiver<UpStream>, fn(Result<UpStream, Canceled>) -> UpStream>;

impl Upward {
    fn once(accepted: oneshot::Receiver<UpStream>) -> Self {
        let or_nothing =
            |up: Result<UpStream, Canceled>| up.unwrap_or_else(|_| stream::empty().boxed());
        let batches = accepted.map(or_nothing as fn(_) -> _).flatten_stream();
        Self { batches, pause: Box::pin(sleep(Duration::ZERO)) }
    }
}

impl Stream for Upward {
    type Item = WatchUp;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchUp>> {
        ready!(self.pause.as_mut().poll(context));
        let batch = ready!(self.batches.poll_next_unpin(context));
        if batch.as_ref().is_some_and(|batch| batch.len() < WATCH_LARGE_BATCH) {
            self.pause.as_mut().reset(Instant::now() + WATCH_MESSAGE_GAP);
        }
        Poll::Ready(batch.map(|batch| encode_up(&batch)))
    }
}

async fn call(
    target: &Target,
    address: SocketAddr,
    expected: Option<StoreId>,
    batches: Upward,
) -> Result<(DownStream, Option<StoreId>), WatchError> {
    let connection = Connection::open(target, address).await.map_err(WatchError::Unavailable)?;
    let mut client = WatchClient::with_origin(connection.requests.clone(), target.origin.clone())
        .max_decoding_message_size(WATCH_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(WATCH_MESSAGE_BYTES_MAX);
    let mut request = Request::new(batches);
    if let Some(authorization) = &target.authorization
        && let Ok(value) = authorization.as_bytes().try_into()
    {
        request.metadata_mut().insert("authorization", value);
    }
    if let Some(name) = &target.name
        && let Ok(value) = name.as_str().try_into()
    {
        request.metadata_mut().insert(NodeName::HEADER, value);
    }
    let response = client.open(request).await.map_err(|status| broken(&status))?;
    let store = store_of(response.metadata())?;
    if let (Some(theirs), Some(ours)) = (store, expected)
        && theirs != ours
    {
        return Err(WatchError::OtherStore(format!("its store is {theirs}, and ours {ours}")));
    }
    Ok((downward(response.into_inner(), connection), store))
}

/// Which store a node serves, if it says so.
fn store_of(metadata: &MetadataMap) -> Result<Option<StoreId>, WatchError> {
    let Some(value) = metadata.get(StoreId::HEADER) else { return Ok(None) };
    let store = value.to_str().ok().and_then(|text| text.parse().ok());
    store.map(Some).ok_or_else(|| WatchError::Malformed(InvalidStoreId.to_string()))
}

/// Ends after the first error; the connection ends with it.
fn downward(batches: Streaming<WatchDown>, connection: Connection) -> DownStream {
    stream::unfold(Some((batches, connection)), |open| async {
        let (mut batches, connection) = open?;
        let batch = match batches.next().await? {
            Ok(batch) => decode_down(batch).map_err(|invalid| malformed(&invalid)),
            Err(status) => Err(broken(&status)),
        };
        let open = batch.is_ok().then_some((batches, connection));
        Some((batch, open))
    })
    .boxed()
}

fn malformed(invalid: &InvalidBatch) -> WatchError {
    WatchError::Malformed(invalid.to_string())
}

/// What a status means; its message, and what is behind it.
fn broken(status: &Status) -> WatchError {
    let mut why = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        why = format!("{why}: {error}");
        source = error.source();
    }
    let code = status.code();
    if matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
        WatchError::Refused(why)
    } else if matches!(code, Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented) {
        WatchError::Malformed(why)
    } else {
        WatchError::Unavailable(why)
    }
}
