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
mod clock;
mod leaks;
mod port;
mod switch_bus;
mod switch_watch;

use std::{
    fmt, io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nudge_fetch::{Fetch, FetchConfig, FetchParts};
use nudge_server::{Front, ServerError};
use nudge_signal::{Signal, SignalStats};
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Api, ApiError, FaultProxy};
use certificate::Certificate;
use switch_watch::SwitchWatch;

pub use builder::SystemBuilder;
pub use clock::TestClock;
pub use leaks::Leaks;
pub(crate) use port::ReservedPort;
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
    signal_proxy: Option<FaultProxy>,
    fetch_proxy: Option<FaultProxy>,
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
    /// A service does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The part runs already.
    #[error("{0} runs already: stop it first")]
    Running(&'static str),
}

/// The password of every account that [`System::api`] makes.
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
            signal_proxy,
            fetch_proxy,
            signal: Mutex::default(),
            fetch: Mutex::default(),
            folder,
            runtime,
        };
        system.start_fetch().await?;
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

/// Stopping and starting parts: always on the same data and the same ports.
impl System {
    /// Starts fetch after [`Self::stop_fetch`]; signal finds it by itself.
    ///
    /// # Errors
    ///
    /// [`SystemError`] says what is wrong.
    pub async fn start_fetch(&self) -> Result<(), SystemError> {
        if lock(&self.fetch).is_some() {
            return Err(SystemError::Running("fetch"));
        }
        let mut config = FetchConfig::new(self.data_dir());
        self.builder.change_fetch(&mut config);
        config.data_dir = self.data_dir();
        config.public = self.ports.fetch.address();
        config.private = self.ports.private.address();
        let parts = FetchParts { clock: self.clock().for_fetch(), bus: Arc::new(self.bus.clone()) };
        let front = self.front.clone();
        let fetch = self.runtime.run(async move { front.start_fetch(config, parts).await }).await?;
        self.watch.lead_to(Some(fetch.watch()));
        *lock(&self.fetch) = Some(fetch);
        Ok(())
    }

    /// Stops fetch in an orderly way; nothing happens when it is stopped.
    pub async fn stop_fetch(&self) {
        self.watch.lead_to(None);
        let fetch = lock(&self.fetch).take();
        if let Some(fetch) = fetch {
            self.runtime.run(fetch.shutdown()).await;
        }
    }

    /// Stops and starts fetch.
    ///
    /// # Errors
    ///
    /// As [`Self::start_fetch`].
    pub async fn restart_fetch(&self) -> Result<(), SystemError> {
        self.stop_fetch().await;
        self.start_fetch().await
    }

    /// Starts signal after [`Self::stop_signal`] or [`Self::abort_signal`].
    ///
    /// # Errors
    ///
    /// [`SystemError`] says what is wrong.
    pub async fn start_signal(&self) -> Result<(), SystemError> {
        if lock(&self.signal).is_some() {
            return Err(SystemError::Running("signal"));
        }
        let (front, watch) = (self.front.clone(), Arc::new(self.watch.clone()));
        let config = self.builder.signal_config();
        let started = async move {
            let (listener, _) = nudge_signal::listen(front.signal).map_err(ServerError::from)?;
            front.start_signal(config, listener, watch)
        };
        let signal = self.runtime.run(started).await?;
        *lock(&self.signal) = Some(signal);
        Ok(())
    }

    /// Stops signal in an orderly way; nothing happens when it is stopped.
    pub async fn stop_signal(&self) {
        let signal = lock(&self.signal).take();
        if let Some(signal) = signal {
            self.runtime.run(signal.shutdown()).await;
        }
    }

    /// Ends signal at once: its clients see their connections end without a word.
    pub fn abort_signal(&self) {
        drop(lock(&self.signal).take());
    }

    /// Stops and starts signal.
    ///
    /// # Errors
    ///
    /// As [`Self::start_signal`].
    pub async fn restart_signal(&self) -> Result<(), SystemError> {
        self.stop_signal().await;
        self.start_signal().await
    }

    /// Stops both, then starts both.
    ///
    /// # Errors
    ///
    /// As [`Self::start_fetch`] and [`Self::start_signal`].
    pub async fn restart(&self) -> Result<(), SystemError> {
        self.stop_signal().await;
        self.restart_fetch().await?;
        self.start_signal().await
    }

    /// Takes the watch away from signal, although fetch runs.
    pub fn cut_watch(&self) {
        self.watch.lead_to(None);
    }

    /// Gives it back.
    pub fn restore_watch(&self) {
        self.watch.lead_to(lock(&self.fetch).as_ref().map(Fetch::watch));
    }

    /// Stops everything in an orderly way, and looks whether anything is left.
    ///
    /// # Panics
    ///
    /// With a list of what is left: tasks, connections, held sessions, open or staged files, ports.
    pub async fn shutdown(self) {
        if let Err(leaks) = self.try_shutdown().await {
            panic!("{leaks}");
        }
    }

    /// As [`Self::shutdown`], without a panic.
    ///
    /// # Errors
    ///
    /// What is left.
    pub async fn try_shutdown(mut self) -> Result<(), Leaks> {
        self.stop_signal().await;
        let held = leaks::settle(|| match self.held_sessions() {
            0 => Vec::new(),
            held => vec![format!("fetch still holds {held} sessions")],
        });
        let mut left = held.await;
        self.stop_fetch().await;
        let proxies = [self.signal_proxy.take(), self.fetch_proxy.take()];
        for proxy in proxies.into_iter().flatten() {
            proxy.shutdown().await;
        }
        left.extend(
            leaks::settle(|| {
                leaks::of_process(self.runtime(), &self.data_dir(), &self.ports.all())
            })
            .await,
        );
        left.extend(self.runtime.run(leaks::of_data(self.data_dir())).await);
        if left.is_empty() { Ok(()) } else { Err(Leaks(left)) }
    }
}

#[derive(Debug)]
struct Ports {
    signal: ReservedPort,
    fetch: ReservedPort,
    private: ReservedPort,
}

impl Ports {
    fn take() -> io::Result<Self> {
        Ok(Self {
            signal: ReservedPort::take()?,
            fetch: ReservedPort::take()?,
            private: ReservedPort::take()?,
        })
    }

    const fn all(&self) -> [SocketAddr; 3] {
        [self.signal.address(), self.fetch.address(), self.private.address()]
    }
}

/// The services' runtime; ends without waiting, which a runtime within another must.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("nudge-system").enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let Some(runtime) = &self.0 else {
            unreachable!("the runtime lives as long as its system")
        };
        match runtime.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => unreachable!("nobody aborts this: {error}"),
            },
        }
    }

    async fn proxy(&self, wanted: bool, target: SocketAddr) -> io::Result<Option<FaultProxy>> {
        if !wanted {
            return Ok(None);
        }
        self.run(FaultProxy::start(target)).await.map(Some)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for OwnRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OwnRuntime")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
