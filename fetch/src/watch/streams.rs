//! The streams that are open, and whose they are.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use nudge_proto::{
    Epoch,
    watch::{Down, NodeName, WatchError},
};

use super::{held::StreamId, stream::DownQueue};
use crate::{limits::WATCH_STREAMS_MAX, server::Line, store::UnixMs};

/// A signal node as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalNodeView {
    /// Names its stream within this node.
    pub stream: u64,
    /// What it calls itself, if it does.
    pub name: Option<NodeName>,
    /// Where it calls from; `None` within this process.
    pub address: Option<SocketAddr>,
    /// The sessions it holds here.
    pub sessions: usize,
    /// When it came.
    pub since: UnixMs,
    /// How long nothing was heard of it, answers to pings included; `None` within this process.
    pub silent_for: Option<Duration>,
}

/// Where a stream comes from; by default from this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) name: Option<NodeName>,
    pub(super) line: Option<Line>,
}

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: HashMap<StreamId, Open>,
    /// The newest, ever.
    newest: StreamId,
    /// No others are taken.
    is_draining: bool,
}

#[derive(Debug)]
struct Open {
    down: Arc<DownQueue>,
    origin: Origin,
    since: UnixMs,
}

impl Streams {
    /// Takes one more.
    ///
    /// # Errors
    ///
    /// [`WatchError::Unavailable`] when none is taken.
    pub(super) fn open(
        &mut self,
        origin: Origin,
        since: UnixMs,
    ) -> Result<(StreamId, Arc<DownQueue>), WatchError> {
        if self.is_draining {
            return Err(WatchError::Unavailable("this fetch node stops".to_owned()));
        }
        if self.open.len() >= WATCH_STREAMS_MAX {
            return Err(WatchError::Unavailable(format!(
                "this fetch node has {WATCH_STREAMS_MAX} streams, and takes no more"
            )));
        }
        self.newest += 1;
        let down = Arc::<DownQueue>::default();
        self.open.insert(self.newest, Open { down: Arc::clone(&down), origin, since });
        Ok((self.newest, down))
    }

    /// Takes no more.
    pub(super) const fn drain(&mut self) {
        self.is_draining = true;
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }

    /// Tells them all.
    pub(super) fn push(&self, down: &Down) {
        self.open.values().for_each(|open| open.down.push(down.clone()));
    }

    /// Tells them all of a new epoch.
    pub(super) fn begin_epoch(&self, epoch: Epoch) {
        self.open.values().for_each(|open| open.down.begin_epoch(epoch));
    }

    /// Ends them all.
    pub(super) fn close(&self) {
        self.open.values().for_each(|open| open.down.close());
    }

    /// Ends them all, and tells why.
    pub(super) fn fail(&self, why: &WatchError) {
        self.open.values().for_each(|open| open.down.fail(why.clone()));
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whose they are, the oldest first.
    pub(super) fn views(&self, sessions: impl Fn(StreamId) -> usize) -> Vec<SignalNodeView> {
        let view = |(stream, open): (&StreamId, &Open)| SignalNodeView {
            stream: *stream,
            name: open.origin.name.clone(),
            address: open.origin.line.as_ref().map(|line| line.address),
            sessions: sessions(*stream),
            since: open.since,
            silent_for: open.origin.line.as_ref().map(Line::silent_for),
        };
        let mut views: Vec<_> = self.open.iter().map(view).collect();
        views.sort_unstable_by_key(|view| view.stream);
        views
    }
}
