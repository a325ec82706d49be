//! The whole system in this process: both services over a folder of its own, on free ports.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! use nudge_harness::System;
//!
//! let system = System::builder().signal_proxy().start().await?;
//! let alice = system.api("alice").await?;
//! let bob = system.api("bob").await?;
//! let conversation = alice.direct(&bob.user().id).await?;
//! # drop(conversation);
//! system.restart_fetch().await?;
//! system.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The services run on a runtime of their own, so that [`System::shutdown`] can tell what they left
//! behind from what the test did.

mod builder;
mod certificate;
mod clients;
mod clock;
mod join;
mod leaks;
mod parts;
mod port;
mod runtime;
mod switch_bus;
mod switch_watch;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use nudge_fetch::Fetch;
use nudge_server::{Front, ServerError};
use nudge_signal::{GrpcWatch, Signal, SignalStats};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

use crate::{Api, ApiError, FaultProxy};
use builder::Join;
use certificate::Certificate;
pub(crate) use port::{Ports, ReservedPort};
use runtime::OwnRuntime;
use switch_watch::SwitchWatch;

pub use builder::SystemBuilder;
pub use clock::TestClock;
pub use leaks::Leaks;
pub use switch_bus::SwitchBus;

/// The whole system, running in this process.
///
/// Dropping it ends everything at once and looks at nothing; [`System::shutdown`] does both properly.
#[derive(Debug)]
pub struct System {
    builder: SystemBuilder,
    front: Front,
    ports: Ports,
    certificate: Option<Certificate>,
    bus: SwitchBus,
    watch: SwitchWatch,
    /// Where the watch leads, in a system that is joined by gRPC.
    grpc: OnceLock<Arc<GrpcWatch>>,
    signal_proxy: Option<FaultProxy>,
    fetch_proxy: Option<FaultProxy>,
    watch_proxy: Option<FaultProxy>,
    signal: Mutex<Option<Signal>>,
    fetch: Mutex<Option<Fetch>>,
    folder: TempDir,
    runtime: OwnRuntime,
}

/// Why a system, or a part of it, does not start.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The machine refuses a folder, a port or a thread.
    #[error("the machine refuses a folder, a port or a thread: {0}")]
    Machine(#[from] io::Error),
    /// The certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// Signal and fetch cannot be joined.
    #[error("signal and fetch cannot be joined: {0}")]
    Watch(String),
    /// A service does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The part runs already.
    #[error("{0} runs already: stop it first")]
    Running(&'static str),
}

/// The password of every account that [`System::api`] and [`System::client`] make.
pub const PASSWORD: &str = "correct horse battery staple";

impl System {
    /// Says what the system is to be like.
    #[must_use]
    pub fn builder() -> SystemBuilder {
        SystemBuilder::new()
    }

    async fn start(builder: SystemBuilder) -> Result<Self, SystemError> {
        let runtime = OwnRuntime::new()?;
        let ports = Ports::take()?;
        let folder = tempfile::tempdir()?;
        let certificate = match builder.tls {
            true => Some(Certificate::make(folder.path().join("certificate.pem"))?),
            false => None,
        };
        let proxy = |wanted, target| runtime.proxy(wanted, target);
        let signal_proxy = proxy(builder.signal_proxy, ports.signal.address()).await?;
        let fetch_proxy = proxy(builder.fetch_proxy, ports.fetch.address()).await?;
        let through_proxy = builder.watch == Join::GrpcThroughProxy;
        let watch_proxy = proxy(through_proxy, ports.private.address()).await?;
        let bus = SwitchBus::default();
        if builder.deaf_bus {
            bus.lose_everything();
        }
        let front = Front {
            signal: ports.signal.address(),
            signal_advertised: signal_proxy.as_ref().map(FaultProxy::address),
            certificates: certificate.as_ref().map(|made| Arc::clone(&made.certificates)),
        };
        let system = Self {
            builder,
            front,
            ports,
            certificate,
            bus,
            watch: SwitchWatch::down(),
            grpc: OnceLock::new(),
            signal_proxy,
            fetch_proxy,
            watch_proxy,
            signal: Mutex::default(),
            fetch: Mutex::default(),
            folder,
            runtime,
        };
        system.start_fetch().await?;
        system.join_by_grpc()?;
        system.start_signal().await?;
        Ok(system)
    }

    /// The one URL that an app needs; the proxy's, if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.front.scheme(), self.fetch_addr())
    }

    /// Where clients reach the API: the proxy, if there is one.
    #[must_use]
    pub fn fetch_addr(&self) -> SocketAddr {
        self.fetch_proxy.as_ref().map_or(self.ports.fetch.address(), FaultProxy::address)
    }

    /// Where clients reach signal: the proxy, if there is one.
    #[must_use]
    pub fn signal_addr(&self) -> SocketAddr {
        self.signal_proxy.as_ref().map_or(self.front.signal, FaultProxy::address)
    }

    /// Where health is told.
    #[must_use]
    pub const fn private_addr(&self) -> SocketAddr {
        self.ports.private.address()
    }

    /// The certificate that clients have to trust, in PEM; `None` without TLS.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_ref().map(|certificate| certificate.pem.as_str())
    }

    /// The same as a file.
    #[must_use]
    pub fn certificate_path(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|certificate| certificate.path.as_path())
    }

    /// The folder of the database and the objects.
    #[must_use]
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// A new device of `handle`, whose account is made if it is new.
    ///
    /// # Errors
    ///
    /// As [`Api::call`].
    pub async fn api(&self, handle: &str) -> Result<Api, ApiError> {
        let mut api = self.anonymous_api()?;
        api.sign_up(handle, PASSWORD).await?;
        Ok(api)
    }

    /// The API for a nobody.
    ///
    /// # Errors
    ///
    /// When the TLS stack cannot be set up.
    pub fn anonymous_api(&self) -> Result<Api, ApiError> {
        Api::trusting(self.url(), self.certificate_pem())
    }

    /// The proxy in front of signal.
    ///
    /// # Panics
    ///
    /// Without [`SystemBuilder::signal_proxy`].
    #[must_use]
    pub fn signal_proxy(&self) -> &FaultProxy {
        self.signal_proxy.as_ref().expect("ask the builder for the signal_proxy")
    }

    /// The proxy in front of fetch.
    ///
    /// # Panics
    ///
    /// Without [`SystemBuilder::fetch_proxy`].
    #[must_use]
    pub fn fetch_proxy(&self) -> &FaultProxy {
        self.fetch_proxy.as_ref().expect("ask the builder for the fetch_proxy")
    }

    /// The proxy between signal and fetch.
    ///
    /// # Panics
    ///
    /// Without [`SystemBuilder::watch_proxy`].
    #[must_use]
    pub fn watch_proxy(&self) -> &FaultProxy {
        self.watch_proxy.as_ref().expect("ask the builder for the watch_proxy")
    }

    /// The bus, to be made deaf and restored.
    #[must_use]
    pub const fn bus(&self) -> &SwitchBus {
        &self.bus
    }

    /// The time of all parts, to be moved ahead.
    #[must_use]
    pub const fn clock(&self) -> &TestClock {
        &self.builder.clock
    }

    /// What signal has done since its start; nothing while it is stopped.
    #[must_use]
    pub fn signal_stats(&self) -> SignalStats {
        lock(&self.signal).as_ref().map(Signal::stats).unwrap_or_default()
    }

    /// Why signal has no watch, while it runs and has none.
    #[must_use]
    pub fn watch_trouble(&self) -> Option<String> {
        lock(&self.signal).as_ref().and_then(Signal::watch_trouble)
    }

    /// The sessions that fetch holds for signal; none while it is stopped.
    #[must_use]
    pub fn held_sessions(&self) -> usize {
        lock(&self.fetch).as_ref().map_or(0, |fetch| fetch.hub().held_sessions())
    }

    /// The runtime that the services run on.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        self.runtime.0.as_ref().map_or_else(|| unreachable!(), Runtime::handle)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
