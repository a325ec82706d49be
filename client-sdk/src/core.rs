//! What all parts of a client share.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use nudge_proto::pb::content as pb;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    config::ClientConfig,
    credentials::Credentials,
    error::Result,
    events::{Event, Hub, LinkState},
    http::Http,
    link::{self, LinkInput},
    state::State,
    tls::Tls,
};

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: ClientConfig,
    pub(crate) state: State,
    pub(crate) http: Http,
    pub(crate) tls: Tls,
    pub(crate) hub: Hub,
    /// Rung when the inbox may have moved.
    pub(crate) sync_bell: Notify,
    /// Rung when the outbox has something to do.
    pub(crate) outbox_bell: Notify,
    /// Rung when files wait to be uploaded, or no longer do.
    pub(crate) uploads_bell: Notify,
    /// Rung when a link that ended is to be tried again.
    pub(crate) reconnect_bell: Notify,
    /// Rung when what did not work may work now.
    retry_bell: watch::Sender<()>,
    link: watch::Sender<Option<LinkState>>,
    link_inputs: mpsc::Sender<LinkInput>,
    discovery: Mutex<Option<Arc<pb::Discovery>>>,
    pub(crate) closed: CancellationToken,
}

impl Core {
    pub(crate) async fn open(
        config: ClientConfig,
    ) -> Result<(Arc<Self>, mpsc::Receiver<LinkInput>)> {
        let tls = Tls::new(&config.extra_roots_pem)?;
        let state = State::open(&config.state_dir, config.sync).await?;
        let hub = Hub::new();
        let credentials = Arc::new(Credentials::new(state.clone(), hub.clone()));
        let (link_inputs, receiver) = mpsc::channel(link::INPUTS_WAITING);
        let core = Self {
            http: Http::new(&config.url, &tls, credentials)?,
            config,
            state,
            tls,
            hub,
            sync_bell: Notify::new(),
            outbox_bell: Notify::new(),
            uploads_bell: Notify::new(),
            reconnect_bell: Notify::new(),
            retry_bell: watch::Sender::new(()),
            link: watch::Sender::new(None),
            link_inputs,
            discovery: Mutex::new(None),
            closed: CancellationToken::new(),
        };
        Ok((Arc::new(core), receiver))
    }

    /// What the server says of itself; asked once, until something did not work as it says.
    pub(crate) async fn discovery(&self) -> Result<Arc<pb::Discovery>> {
        let mut discovery = self.discovery.lock().await;
        if let Some(known) = &*discovery {
            return Ok(Arc::clone(known));
        }
        let asked = Arc::new(self.http.discovery().await?);
        *discovery = Some(Arc::clone(&asked));
        Ok(asked)
    }

    pub(crate) async fn forget_discovery(&self) {
        *self.discovery.lock().await = None;
    }

    /// New credentials, for a connect ticket that is no longer taken.
    pub(crate) async fn renew_ticket(&self) -> Result<Bytes> {
        let in_use = self.state.access_token().await?.ok_or(Error::LoggedOut)?;
        self.http.refresh(&in_use).await?;
        self.state.ticket().await?.ok_or(Error::LoggedOut)
    }

    pub(crate) fn tell_link(&self, input: LinkInput) {
        // A link that is not there reads the cursor when it comes back.
        let _ = self.link_inputs.try_send(input);
    }

    /// Whoever waits before another attempt need not: the network is back, or somebody logged in.
    pub(crate) fn ring_retry(&self) {
        self.retry_bell.send_replace(());
    }

    pub(crate) fn retry_now(&self) -> watch::Receiver<()> {
        self.retry_bell.subscribe()
    }

    pub(crate) fn set_link(&self, state: LinkState) {
        let before = self.link.send_replace(Some(state));
        if state == LinkState::Up && before != Some(state) {
            self.ring_retry();
        }
        self.hub.tell(Event::Link(state));
    }

    /// There is none, and none is to be.
    pub(crate) fn forget_link(&self) {
        self.link.send_replace(None);
    }

    /// The connection's last known state; `None` before the first attempt has an outcome.
    pub(crate) fn link(&self) -> watch::Receiver<Option<LinkState>> {
        self.link.subscribe()
    }

    pub(crate) fn is_link_up(&self) -> bool {
        *self.link.borrow() == Some(LinkState::Up)
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis().try_into().unwrap_or(u64::MAX)
}
