//! A node's certificates, which are read again on SIGHUP.

use std::{path::Path, sync::Arc};

use nudge_signal::Certificates;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{failure::Failure, tls::TlsSource};

/// A certificate in use, and the files that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    source: TlsSource,
    in_use: Arc<Certificates>,
}

impl Certificate {
    /// Reads it for the first time.
    pub(crate) fn load(source: TlsSource) -> Result<Self, Failure> {
        Ok(Self { in_use: source.load()?, source })
    }

    /// What is asked in every handshake.
    pub(crate) fn in_use(&self) -> Arc<Certificates> {
        Arc::clone(&self.in_use)
    }

    /// The same for HTTP.
    pub(crate) fn https(&self) -> Arc<rustls::ServerConfig> {
        let builder = rustls::ServerConfig::builder().with_no_client_auth();
        Arc::new(builder.with_cert_resolver(self.in_use() as _))
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        self.source.certificate()
    }

    /// The old one goes on serving when the new one is unusable.
    fn reload(&self) {
        if let Err(failure) = self.source.reload(&self.in_use) {
            tracing::error!(%failure, "a certificate was not reloaded");
        }
    }
}

/// What asks for reading certificates again.
#[derive(Debug)]
pub(crate) struct Reload {
    certificates: Vec<Certificate>,
    hang_up: Signal,
}

impl Reload {
    /// Listens from here on.
    pub(crate) fn of(
        certificates: impl IntoIterator<Item = Option<Certificate>>,
    ) -> Result<Self, Failure> {
        let certificates = certificates.into_iter().flatten().collect();
        Ok(Self { certificates, hang_up: signal(SignalKind::hangup())? })
    }

    /// Waits for `end`; meanwhile SIGHUP reads the certificates again.
    pub(crate) async fn until(&mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = self.hang_up.recv() => self.certificates.iter().for_each(Certificate::reload),
            }
        }
    }
}
