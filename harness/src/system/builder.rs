use std::{fmt, sync::Arc, time::Duration};

use nudge_fetch::{
    FetchConfig,
    config::Registration,
    store::{MediaQuota, Retention},
};
use nudge_signal::{Drain, SignalConfig};

use super::{System, SystemError, TestClock};

/// Says what a [`System`] is to be like.
#[derive(Clone)]
pub struct SystemBuilder {
    pub(super) tls: bool,
    pub(super) signal_proxy: bool,
    pub(super) fetch_proxy: bool,
    pub(super) watch: Join,
    pub(super) deaf_bus: bool,
    pub(super) clock: TestClock,
    fetch: Vec<Change<FetchConfig>>,
    signal: Vec<Change<SignalConfig>>,
}

/// How signal and fetch are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// By calls within the process.
    InProcess,
    /// As two processes would be.
    Grpc,
    /// The same, through a fault proxy.
    GrpcThroughProxy,
}

type Change<C> = Arc<dyn Fn(&mut C) + Send + Sync>;

impl SystemBuilder {
    pub(super) fn new() -> Self {
        Self {
            tls: false,
            signal_proxy: false,
            fetch_proxy: false,
            watch: Join::InProcess,
            deaf_bus: false,
            clock: TestClock::default(),
            fetch: Vec::new(),
            signal: Vec::new(),
        }
    }

    /// Both listeners speak TLS, with a certificate made for this system.
    #[must_use]
    pub const fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// A fault proxy stands in front of signal; clients are sent there.
    #[must_use]
    pub const fn signal_proxy(mut self) -> Self {
        self.signal_proxy = true;
        self
    }

    /// A fault proxy stands in front of fetch; [`System::url`] is there.
    #[must_use]
    pub const fn fetch_proxy(mut self) -> Self {
        self.fetch_proxy = true;
        self
    }

    /// Signal and fetch are joined by gRPC, with a secret, and with TLS if the system has it.
    #[must_use]
    pub fn watch_over_grpc(mut self) -> Self {
        if self.watch == Join::InProcess {
            self.watch = Join::Grpc;
        }
        self
    }

    /// The same, with a fault proxy between the two.
    #[must_use]
    pub const fn watch_proxy(mut self) -> Self {
        self.watch = Join::GrpcThroughProxy;
        self
    }

    /// The bus loses everything from the start; see [`System::bus`].
    #[must_use]
    pub const fn deaf_bus(mut self) -> Self {
        self.deaf_bus = true;
        self
    }

    /// Time as this clock tells it; the default is a clock of the system's own.
    #[must_use]
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = clock;
        self
    }

    /// Both the sweep's and the devices'; devices are told whole seconds, at least one.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        self.fetch(move |config| config.heartbeat = heartbeat).signal(move |config| {
            let told = heartbeat.max(Duration::from_secs(1));
            config.heartbeat_default = told;
            config.heartbeat_min = told;
            config.heartbeat_max = config.heartbeat_max.max(told);
        })
    }

    /// Who may register.
    #[must_use]
    pub fn registration(self, registration: Registration) -> Self {
        self.fetch(move |config| config.registration = registration.clone())
    }

    /// How long things are kept.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        self.fetch(move |config| config.retention = retention)
    }

    /// What one user may have.
    #[must_use]
    pub fn quota(self, quota: MediaQuota) -> Self {
        self.fetch(move |config| config.quota = quota)
    }

    /// Anything else of the content service, at each of its starts; addresses, data folder, TLS and
    /// discovery are the system's.
    #[must_use]
    pub fn fetch(mut self, change: impl Fn(&mut FetchConfig) + Send + Sync + 'static) -> Self {
        self.fetch.push(Arc::new(change));
        self
    }

    /// Anything else of the signaling service, at each of its starts; its listeners are the system's.
    #[must_use]
    pub fn signal(mut self, change: impl Fn(&mut SignalConfig) + Send + Sync + 'static) -> Self {
        self.signal.push(Arc::new(change));
        self
    }

    /// Starts it, on free ports and in a folder of its own.
    ///
    /// # Errors
    ///
    /// [`SystemError`] says what is wrong.
    pub async fn start(self) -> Result<System, SystemError> {
        System::start(self).await
    }

    pub(super) fn change_fetch(&self, config: &mut FetchConfig) {
        self.fetch.iter().for_each(|change| change(config));
    }

    pub(super) fn signal_config(&self) -> SignalConfig {
        let mut config = SignalConfig {
            clock: self.clock.for_signal(),
            // A test that stops a service waits for this long, if its clients stay.
            drain: Drain {
                reconnect_min: Duration::ZERO,
                reconnect_max: Duration::from_millis(100),
                deadline: Duration::from_millis(300),
            },
            ..SignalConfig::default()
        };
        self.signal.iter().for_each(|change| change(&mut config));
        config
    }
}

impl fmt::Debug for SystemBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SystemBuilder")
            .field("tls", &self.tls)
            .field("signal_proxy", &self.signal_proxy)
            .field("fetch_proxy", &self.fetch_proxy)
            .field("watch", &self.watch)
            .field("deaf_bus", &self.deaf_bus)
            .finish_non_exhaustive()
    }
}
