//! Whom to believe: the system's certificates, and the app's own besides.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::{Error, error::Result};

/// The protocol's name in the TLS handshake of signaling.
const SIGNAL_ALPN: &[u8] = b"nudge/1";

/// The TLS of HTTP and of signaling.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    base: ClientConfig,
}

impl Tls {
    pub(crate) fn new(extra_roots_pem: &[Vec<u8>]) -> Result<Self> {
        let bad = |error: &dyn std::fmt::Display| Error::Config(format!("certificates: {error}"));
        let mut roots = Vec::new();
        for pem in extra_roots_pem {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.push(certificate.map_err(|error| bad(&error))?);
            }
        }
        let provider = provider();
        let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
            .map_err(|error| bad(&error))?;
        let base = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { base })
    }

    /// For HTTP: which version is spoken is found out in the handshake.
    pub(crate) fn for_http(&self) -> ClientConfig {
        let mut config = self.base.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    pub(crate) fn for_signal(&self) -> Arc<ClientConfig> {
        let mut config = self.base.clone();
        config.alpn_protocols = vec![SIGNAL_ALPN.to_vec()];
        Arc::new(config)
    }
}

/// The app's choice, if it made one.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}
