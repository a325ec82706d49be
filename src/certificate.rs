//! A node's certificate, which is read again on SIGHUP.

use std::sync::Arc;

use nudge_signal::Certificates;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{failure::Failure, tls::TlsSource};

/// A certificate, if the node has one, and what asks for reading it again.
#[derive(Debug)]
pub(crate) struct Renewed {
    tls: Option<(TlsSource, Arc<Certificates>)>,
    hang_up: Signal,
}

impl Renewed {
    /// Reads it for the first time.
    pub(crate) fn load(source: Option<TlsSource>) -> Result<Self, Failure> {
        let tls = match source {
            None => None,
            Some(source) => {
                let certificates = source.load()?;
                Some((source, certificates))
            }
        };
        Ok(Self { tls, hang_up: signal(SignalKind::hangup())? })
    }

    /// What listeners ask in every handshake.
    pub(crate) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.tls.as_ref().map(|(_, certificates)| Arc::clone(certificates))
    }

    /// The same for HTTP.
    pub(crate) fn https(&self) -> Option<Arc<rustls::ServerConfig>> {
        let builder = || rustls::ServerConfig::builder().with_no_client_auth();
        self.certificates()
            .map(|certificates| Arc::new(builder().with_cert_resolver(certificates as _)))
    }

    /// Waits for `end`; meanwhile SIGHUP reads the certificate again.
    pub(crate) async fn until(&mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = self.hang_up.recv() => self.reload(),
            }
        }
    }

    /// The old certificate goes on serving when the new one is unusable.
    fn reload(&self) {
        if let Some((source, certificates)) = &self.tls
            && let Err(failure) = source.reload(certificates)
        {
            tracing::error!(%failure, "the certificate was not reloaded");
        }
    }
}
