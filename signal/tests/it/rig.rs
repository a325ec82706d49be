//! A service, a watch and clients, for tests.

mod fake_watch;
mod peer;

use std::sync::Arc;

use nudge_proto::{
    DeviceId, UserId,
    frame::Hello,
    ticket::{TicketClaims, TicketKey},
};
use nudge_signal::{Listen, Signal, SignalConfig, WallClock};

pub(crate) use fake_watch::{FakeWatch, SharedWatch, hold_of};
pub(crate) use peer::Peer;

/// The time of day in all tests: seconds since 1970.
pub(crate) const NOW_S: u64 = 1_800_000_000;

pub(crate) struct Rig {
    pub(crate) signal: Signal,
    pub(crate) watch: Arc<FakeWatch>,
}

impl Rig {
    /// A service whose watch is up.
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut SignalConfig)) -> Self {
        let rig = Self::with_watch(FakeWatch::new(), configure);
        rig.watch.opened(1).await;
        rig
    }

    pub(crate) fn with_watch(
        watch: Arc<FakeWatch>,
        configure: impl FnOnce(&mut SignalConfig),
    ) -> Self {
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = SignalConfig {
            tcp: Some(Listen::Address(loopback)),
            clock: WallClock::new(|| NOW_S * 1000),
            ..SignalConfig::default()
        };
        configure(&mut config);
        let signal = Signal::start(config, Arc::new(SharedWatch(Arc::clone(&watch)))).unwrap();
        Self { signal, watch }
    }

    /// A connection in memory that holds `capacity` bytes in each direction.
    pub(crate) fn connect_with(&self, capacity: usize) -> Peer<tokio::io::DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(capacity);
        self.signal.serve(theirs);
        Peer::new(ours)
    }

    pub(crate) fn connect(&self) -> Peer<tokio::io::DuplexStream> {
        self.connect_with(64 * 1024)
    }

    /// A welcomed connection of `device`.
    pub(crate) async fn join(&self, device: Device) -> Peer<tokio::io::DuplexStream> {
        let mut peer = self.connect();
        peer.join(device).await;
        peer
    }
}

/// A device and its running program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) user_id: UserId,
    pub(crate) device_id: DeviceId,
    pub(crate) instance: u64,
    pub(crate) attempt: u32,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self { user_id: UserId::random(), device_id: DeviceId::random(), instance: 1, attempt: 1 }
    }

    pub(crate) fn hello(self) -> Hello {
        self.hello_with(self.ticket(&key(), NOW_S + 1))
    }

    pub(crate) fn hello_with(self, ticket: Vec<u8>) -> Hello {
        Hello {
            ticket: ticket.into(),
            cursor: None,
            instance: self.instance,
            attempt: self.attempt,
            client_name: "test".to_owned(),
            client_version: "1".to_owned(),
            heartbeat_s: 0,
            network_hint: String::new(),
        }
    }

    pub(crate) fn ticket(self, key: &TicketKey, expires_at_s: u64) -> Vec<u8> {
        let Self { user_id, device_id, .. } = self;
        key.mint(&TicketClaims { user_id, device_id, issued_at_s: NOW_S - 1, expires_at_s })
    }
}

/// The key that the watch hands out.
pub(crate) fn key() -> TicketKey {
    TicketKey { id: 7, secret: [7; 32] }
}
