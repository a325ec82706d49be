//! The watch when the content service is other processes: any of several, over gRPC.
//!
//! - `config`: where they are, and what is shown to them
//! - `endpoints`: which one is asked next
//! - `connection`: from an address to HTTP/2
//! - `call`: the gRPC call on it

mod call;
mod config;
mod connection;
mod endpoints;

use std::{collections::BTreeMap, sync::Arc, task::Poll};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream,
};
use nudge_proto::watch::{Down, DownStream, StoreId, UpStream, Watch, WatchError};
use parking_lot::Mutex;

use crate::{limits::WATCH_OTHER_STORES_MAX, node::now, telemetry};
use config::Target;
use endpoints::{Candidate, Endpoints};

pub use config::{FetchUrl, GrpcWatchConfig, GrpcWatchError, InvalidFetchUrl, watch_tls};

/// The watch of a content service that is other processes.
///
/// Each stream goes to one fetch node, found anew each time; one that fails is asked last for a while.
#[derive(Debug)]
pub struct GrpcWatch {
    targets: Vec<Arc<Target>>,
    endpoints: Arc<Mutex<Endpoints>>,
    stores: Mutex<Stores>,
}

/// Which store the sessions are of: that of the first stream, for as long as this process runs.
#[derive(Debug, Default)]
struct Stores {
    ours: Option<StoreId>,
    /// Who serves another one, and what that is.
    others: BTreeMap<String, String>,
}

impl GrpcWatch {
    /// Prepares what the streams need; none is opened before [`Watch::open`].
    ///
    /// # Errors
    ///
    /// [`GrpcWatchError`] when nothing could ever be reached like this.
    pub fn connect(config: GrpcWatchConfig) -> Result<Self, GrpcWatchError> {
        let endpoints = Endpoints::new(fastrand::u64(..));
        Ok(Self {
            targets: config.targets()?,
            endpoints: Arc::new(Mutex::new(endpoints)),
            stores: Mutex::default(),
        })
    }

    /// Every address of every fetch node, as of now.
    async fn candidates(&self) -> (Vec<Candidate>, Vec<String>) {
        let lookups = join_all(self.targets.iter().cloned().map(Target::resolve)).await;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for (target, addresses) in lookups.into_iter().enumerate() {
            match addresses {
                Ok(addresses) => {
                    let candidate = |address| Candidate { target, address };
                    found.extend(addresses.into_iter().map(candidate));
                }
                Err(failure) => failures.push(failure),
            }
        }
        (found, failures)
    }

    async fn open_any(&self, mut up: UpStream) -> Result<DownStream, WatchError> {
        let (candidates, mut failures) = self.candidates().await;
        let mut refusal = None;
        let order = self.endpoints.lock().order(candidates, now());
        for candidate in order {
            let target = &self.targets[candidate.target];
            let place = format!("{} ({})", target.url, candidate.address);
            let ours = self.stores.lock().ours;
            let call = call::open(target, candidate.address, ours, up);
            let failed = match call.await {
                Ok((down, store)) => {
                    self.stores.lock().is_ours(&place, store);
                    tracing::info!(fetch = %target.url, address = %candidate.address, "a watch is open");
                    return Ok(self.watched(candidate, down));
                }
                Err(failed) => failed,
            };
            self.endpoints.lock().failed(candidate, now());
            let call::Failed { error, up: unused } = failed;
            if let WatchError::OtherStore(why) = &error {
                self.stores.lock().is_another(&place, why);
            }
            failures.push(format!("{place}: {error}"));
            refusal = refusal.or(Some(error).filter(|error| !is_unavailable(error)));
            up = unused;
        }
        let all = failures.join("; ");
        Err(match refusal {
            Some(WatchError::Malformed(_)) => WatchError::Malformed(all),
            Some(WatchError::Refused(_)) => WatchError::Refused(all),
            Some(WatchError::OtherStore(_)) => WatchError::OtherStore(all),
            Some(WatchError::Unavailable(_)) | None => WatchError::Unavailable(all),
        })
    }

    /// The stream, whose end tells something about its fetch node.
    fn watched(&self, candidate: Candidate, mut down: DownStream) -> DownStream {
        let (endpoints, opened_at) = (Arc::clone(&self.endpoints), now());
        let place = format!("{} ({})", self.targets[candidate.target].url, candidate.address);
        let mut is_over = false;
        stream::poll_fn(move |context| {
            if is_over {
                return Poll::Ready(None);
            }
            let ended = match std::task::ready!(down.poll_next_unpin(context)) {
                Some(Ok(items)) => {
                    if items.iter().any(is_moving) {
                        endpoints.lock().leaves(candidate, now());
                    }
                    return Poll::Ready(Some(Ok(items)));
                }
                Some(Err(error)) => at(&place, error),
                None => WatchError::Unavailable(format!("{place} ended the stream")),
            };
            is_over = true;
            endpoints.lock().broke(candidate, opened_at, now());
            Poll::Ready(Some(Err(ended)))
        })
        .boxed()
    }
}

/// The error, with the fetch node it came from.
fn at(place: &str, error: WatchError) -> WatchError {
    match error {
        WatchError::Unavailable(why) => WatchError::Unavailable(format!("{place}: {why}")),
        WatchError::Refused(why) => WatchError::Refused(format!("{place}: {why}")),
        WatchError::OtherStore(why) => WatchError::OtherStore(format!("{place}: {why}")),
        WatchError::Malformed(why) => WatchError::Malformed(format!("{place}: {why}")),
    }
}

impl Watch for GrpcWatch {
    fn open(&self, up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>> {
        self.open_any(up).boxed()
    }

    fn warning(&self) -> Option<String> {
        let stores = self.stores.lock();
        let other = |(place, why): (&String, &String)| {
            format!("{place} serves another store and is left alone: {why}")
        };
        let all: Vec<_> = stores.others.iter().map(other).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Stores {
    fn is_ours(&mut self, place: &str, store: Option<StoreId>) {
        self.ours = self.ours.or(store);
        self.others.remove(place);
    }

    fn is_another(&mut self, place: &str, why: &str) {
        telemetry::met_another_store();
        tracing::error!(
            fetch = place,
            %why,
            "a fetch node serves another store, and its users are not mixed with ours: take it out of the \
             list, or restart this node if the store was replaced"
        );
        if self.others.len() < WATCH_OTHER_STORES_MAX {
            self.others.insert(place.to_owned(), why.to_owned());
        }
    }
}

const fn is_moving(item: &Down) -> bool {
    matches!(item, Down::Moving { .. })
}

const fn is_unavailable(error: &WatchError) -> bool {
    matches!(error, WatchError::Unavailable(_))
}
