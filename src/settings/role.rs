//! All questions of a command answered, or what is wrong said.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use nudge_fetch::FetchConfig;
use nudge_server::limits::DRAIN_DELAY;
use nudge_signal::{GrpcWatchConfig, SignalConfig};

use super::{
    ApiSettings, BusSettings, DeviceListener, MediaSettings, PrivateListener, PublicListeners,
    SignalOperator, StoreSettings, WatchDoor,
};
use crate::{
    certificate::Certificate,
    cli::{FetchNode, Serve, SignalNode},
    failure::Failure,
};

/// What `nudge serve` runs.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// For the content service; what it tells of itself is filled in once the listeners stand.
    pub(crate) fetch: FetchConfig,
    /// Where signaling listens.
    pub(crate) signal: SocketAddr,
    /// Which certificate, if any.
    pub(crate) tls: Option<Certificate>,
    /// The certificate among nodes, if any.
    pub(crate) internal: Option<Certificate>,
    /// It serves for this time while it is not ready any more.
    pub(crate) drain_delay: Duration,
}

/// What `nudge fetch` runs.
#[derive(Debug)]
pub(crate) struct FetchRole {
    /// For the content service.
    pub(crate) fetch: FetchConfig,
    /// Which certificate, if any.
    pub(crate) tls: Option<Certificate>,
    /// The certificate among nodes, if any.
    pub(crate) internal: Option<Certificate>,
    /// It serves for this time while it is not ready any more.
    pub(crate) drain_delay: Duration,
}

/// What `nudge signal` runs.
#[derive(Debug)]
pub(crate) struct SignalRole {
    /// For the signaling service; its listener is filled in once the certificate is read.
    pub(crate) signal: SignalConfig,
    /// Where devices connect.
    pub(crate) devices: SocketAddr,
    /// Where the operator looks.
    pub(crate) private: SocketAddr,
    /// Where the fetch nodes are.
    pub(crate) watch: GrpcWatchConfig,
    /// Which certificate, if any.
    pub(crate) tls: Option<Certificate>,
    /// The certificate among nodes, if any.
    pub(crate) internal: Option<Certificate>,
    /// It serves for this time while it is not ready any more.
    pub(crate) drain_delay: Duration,
}

impl Embedded {
    /// A server over a folder on free ports of loopback.
    pub(crate) fn anywhere(data_dir: PathBuf) -> Self {
        let signal = SocketAddr::from(([127, 0, 0, 1], 0));
        let (tls, internal, drain_delay) = (None, None, Duration::ZERO);
        Self { fetch: FetchConfig::new(data_dir), signal, tls, internal, drain_delay }
    }

    /// Answers every question of `nudge serve`.
    pub(crate) fn resolve(serve: Serve) -> Result<Self, Failure> {
        let Serve { store, media, bus, api, devices, private, public, watch, stopping, .. } = serve;
        // Nobody balances between one server and itself.
        let drain_delay = stopping.delay(Duration::ZERO)?;
        public.check_public(&[("signal", devices.signal), ("fetch", private.fetch)])?;
        let (fetch, [tls, internal]) =
            content_service((store, media, bus), api, private, &public, watch)?;
        Ok(Self { fetch, signal: devices.signal, tls, internal, drain_delay })
    }
}

impl FetchRole {
    /// Answers every question of `nudge fetch`.
    pub(crate) fn resolve(node: FetchNode) -> Result<Self, Failure> {
        let FetchNode { store, media, bus, api, private, public, watch, stopping, .. } = node;
        let drain_delay = stopping.delay(DRAIN_DELAY)?;
        public.check_public(&[("fetch", private.fetch)])?;
        let (mut fetch, [tls, internal]) =
            content_service((store, media, bus), api, private, &public, watch)?;
        if fetch.discovery.transports.is_empty() {
            let kind = if tls.is_some() { "tls" } else { "tcp" };
            let nearby = format!(":{}", nudge_signal::DEFAULT_PORT);
            fetch.discovery.transports.push((kind.to_owned(), nearby));
        }
        Ok(Self { fetch, tls, internal, drain_delay })
    }
}

impl SignalRole {
    /// Answers every question of `nudge signal`.
    pub(crate) fn resolve(node: SignalNode) -> Result<Self, Failure> {
        let SignalNode { data_dir, devices, operator, public, watch, stopping, .. } = node;
        let (DeviceListener { signal }, SignalOperator { private }) = (devices, operator);
        public.check_public(&[("signal", signal)])?;
        public.check_private(private, "")?;
        let heartbeat_default = public.heartbeat()?;
        let (watch, internal) = watch.config(signal)?;
        Ok(Self {
            signal: SignalConfig { heartbeat_default, ..SignalConfig::default() },
            devices: signal,
            private,
            watch,
            tls: public.certificate(&data_dir)?,
            internal,
            drain_delay: stopping.delay(DRAIN_DELAY)?,
        })
    }
}

/// What the content service is told, with or without signaling beside it; its certificates for the public and for
/// other nodes.
fn content_service(
    (store, media, bus): (StoreSettings, MediaSettings, BusSettings),
    api: ApiSettings,
    private: PrivateListener,
    public: &PublicListeners,
    watch: WatchDoor,
) -> Result<(FetchConfig, [Option<Certificate>; 2]), Failure> {
    if !watch.has_tls() {
        public.check_private(private.private, "--private-tls, or ")?;
    }
    let mut fetch = store.config()?;
    fetch.heartbeat = public.heartbeat()?;
    fetch.public = private.fetch;
    fetch.private = private.private;
    media.fill(&mut fetch)?;
    bus.fill(&mut fetch)?;
    api.fill(&mut fetch)?;
    let internal = watch.fill(&mut fetch)?;
    // Last: both may make a file, and what is refused leaves nothing behind.
    let tls = public.certificate(&fetch.data_dir)?;
    fetch.admin_token = Some(private.admin_token(&fetch.data_dir)?);
    Ok((fetch, [tls, internal]))
}
