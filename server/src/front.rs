use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use nudge_fetch::{Fetch, FetchConfig, FetchParts};
use nudge_proto::watch::Watch;
use nudge_signal::{Certificates, Listen, Signal, SignalConfig, TlsListen};

use crate::ServerError;

/// What the two services must agree on.
#[derive(Clone, Debug)]
pub struct Front {
    /// Where signaling listens.
    pub signal: SocketAddr,
    /// Where clients are sent for it, if not there: the address of whatever stands in front.
    pub signal_advertised: Option<SocketAddr>,
    /// Both listeners speak TLS with it, if there is one.
    pub certificates: Option<Arc<Certificates>>,
}

impl Front {
    /// Starts a content service that tells clients where signaling is.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is wrong.
    pub async fn start_fetch(
        &self,
        mut config: FetchConfig,
        parts: FetchParts,
    ) -> Result<Fetch, ServerError> {
        let (kind, tls) = match &self.certificates {
            None => ("tcp", None),
            Some(certificates) => ("tls", Some(https(certificates))),
        };
        config.tls = tls;
        if config.discovery.transports.is_empty() {
            let address = self.signal_advertised.unwrap_or(self.signal);
            config.discovery.transports.push((kind.to_owned(), for_clients(address)));
        }
        Ok(Fetch::start_with(config, parts).await?)
    }

    /// Starts a signaling service on `listener`, whatever listeners `config` has.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is wrong.
    pub fn start_signal(
        &self,
        mut config: SignalConfig,
        listener: TcpListener,
        watch: Arc<dyn Watch>,
    ) -> Result<Signal, ServerError> {
        let listen = Listen::Listener(listener);
        (config.tcp, config.tls) = match &self.certificates {
            None => (Some(listen), None),
            Some(certificates) => {
                (None, Some(TlsListen { listen, certificates: Arc::clone(certificates) as _ }))
            }
        };
        Ok(Signal::start(config, watch)?)
    }

    /// "http" or "https".
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
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
