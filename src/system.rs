//! The server as the settings say.

use std::sync::Arc;

use nudge_server::{Front, Server, ServerConfig};
use nudge_signal::{Certificates, SignalConfig};

use crate::{failure::Failure, settings::Embedded, tls::TlsSource};

/// The server, running, and where its certificate comes from.
#[derive(Debug)]
pub(crate) struct System {
    server: Server,
    tls: Option<(TlsSource, Arc<Certificates>)>,
}

impl System {
    /// Starts both services.
    pub(crate) async fn start(settings: Embedded) -> Result<Self, Failure> {
        let Embedded { fetch, signal, tls, drain_delay: _ } = settings;
        let tls = match tls {
            None => None,
            Some(source) => {
                let certificates = source.load()?;
                Some((source, certificates))
            }
        };
        let front = Front {
            signal,
            signal_advertised: None,
            certificates: tls.as_ref().map(|(_, certificates)| Arc::clone(certificates)),
        };
        let config = ServerConfig { front, fetch, signal: SignalConfig::default() };
        let server = Server::start(config).await.map_err(Failure::configuration)?;
        Ok(Self { server, tls })
    }

    /// The server.
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// The certificate in use.
    pub(crate) fn certificate(&self) -> Option<&TlsSource> {
        self.tls.as_ref().map(|(source, _)| source)
    }

    /// Reads the certificate's files again.
    pub(crate) fn reload_certificate(&self) -> Result<(), Failure> {
        self.tls.as_ref().map_or(Ok(()), |(source, certificates)| source.reload(certificates))
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
