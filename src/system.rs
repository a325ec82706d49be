//! Fetch and signal in one process.

use std::{net::SocketAddr, sync::Arc};

use nudge_fetch::Fetch;
use nudge_signal::{Certificates, Listen, Signal, SignalConfig, TlsListen};

use crate::{failure::Failure, settings::Resolved, tls::TlsSource};

/// Both services, running.
#[derive(Debug)]
pub(crate) struct System {
    fetch: Fetch,
    signal: Signal,
    tls: Option<(TlsSource, Arc<Certificates>)>,
}

impl System {
    /// Starts both.
    pub(crate) async fn start(settings: Resolved) -> Result<Self, Failure> {
        let Resolved { mut fetch, signal, tls } = settings;
        let tls = match tls {
            None => None,
            Some(source) => {
                let certificates = source.load()?;
                Some((source, certificates))
            }
        };
        // Signal's port must be known before fetch tells it to clients.
        let listener = std::net::TcpListener::bind(signal).map_err(|error| {
            Failure::configuration(format!(
                "cannot listen on {signal}: {error}; is another program using it?"
            ))
        })?;
        let signal_address = listener.local_addr()?;
        let mut config = SignalConfig {
            heartbeat_default: fetch.heartbeat,
            tcp: None,
            ..SignalConfig::default()
        };
        let kind = match &tls {
            None => {
                config.tcp = Some(Listen::Listener(listener));
                "tcp"
            }
            Some((_, certificates)) => {
                config.tls = Some(TlsListen {
                    listen: Listen::Listener(listener),
                    certificates: Arc::clone(certificates) as _,
                });
                fetch.tls = Some(https(certificates));
                "tls"
            }
        };
        fetch.discovery.transports.push((kind.to_owned(), for_clients(signal_address)));
        let fetch = Fetch::start(fetch).await.map_err(Failure::configuration)?;
        let signal = match Signal::start(config, fetch.watch()) {
            Ok(signal) => signal,
            Err(error) => {
                fetch.shutdown().await;
                return Err(Failure::configuration(error));
            }
        };
        Ok(Self { fetch, signal, tls })
    }

    /// The URL that an app needs.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.fetch.public_addr())
    }

    /// The two services.
    pub(crate) const fn parts(&self) -> (&Fetch, &Signal) {
        (&self.fetch, &self.signal)
    }

    /// The certificate in use.
    pub(crate) fn certificate(&self) -> Option<&TlsSource> {
        self.tls.as_ref().map(|(source, _)| source)
    }

    /// Reads the certificate's files again.
    pub(crate) fn reload_certificate(&self) -> Result<(), Failure> {
        self.tls.as_ref().map_or(Ok(()), |(source, certificates)| source.reload(certificates))
    }

    /// Sends the clients away, finishes what was begun, and stops.
    pub(crate) async fn shutdown(self) {
        self.signal.shutdown().await;
        self.fetch.shutdown().await;
    }
}

/// An address that was bound on all interfaces is reached under the name the client used.
fn for_clients(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() }
}

fn https(certificates: &Arc<Certificates>) -> Arc<rustls::ServerConfig> {
    Arc::new(
        rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(certificates) as _),
    )
}
