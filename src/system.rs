//! The server as the settings say.

use nudge_server::{Front, Server, ServerConfig};
use nudge_signal::SignalConfig;

use crate::{certificate::Certificate, failure::Failure, settings::Embedded};

/// The server, running.
#[derive(Debug)]
pub(crate) struct System {
    server: Server,
}

impl System {
    /// Starts both services.
    pub(crate) async fn start(settings: Embedded) -> Result<Self, Failure> {
        let Embedded { fetch, signal, tls, internal: _, drain_delay: _ } = settings;
        let certificates = tls.as_ref().map(Certificate::in_use);
        let front = Front { signal, signal_advertised: None, certificates };
        let config = ServerConfig { front, fetch, signal: SignalConfig::default() };
        let server = Server::start(config).await.map_err(Failure::configuration)?;
        Ok(Self { server })
    }

    /// The server.
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// Is not ready any more, and goes on serving.
    pub(crate) fn drain(&self) {
        self.server.drain();
    }

    /// Sends the clients away, finishes what was begun, and stops.
    pub(crate) async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
