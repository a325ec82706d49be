//! TLS of the private listener.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::{ResolvesServerCert, WebPkiClientVerifier},
};

/// Why the private listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum PrivateTlsError {
    /// The client authority is no PEM.
    #[error("the client authority is no PEM certificate: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// There is no certificate in it, or none that can be an authority.
    #[error("the client authority cannot be used: {0}")]
    Authority(String),
}

/// TLS for the private listener, as whoever `certificates` says.
///
/// With `client_authority`, in PEM, clients may show a certificate of it, and those that show another
/// are turned away. Nobody is made to: probes of health have none. Whether the watch needs one is
/// [`WatchGuard::certificate`](crate::config::WatchGuard::certificate).
///
/// # Errors
///
/// [`PrivateTlsError`] says what is wrong with the authority.
pub fn private_tls(
    certificates: Arc<dyn ResolvesServerCert>,
    client_authority: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, PrivateTlsError> {
    let builder = ServerConfig::builder();
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let rejected = |reason: &dyn ToString| PrivateTlsError::Authority(reason.to_string());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(PrivateTlsError::Pem)?;
                roots.add(certificate).map_err(|error| rejected(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .allow_unauthenticated()
                .build()
                .map_err(|error| rejected(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Arc::new(builder.with_cert_resolver(certificates)))
}
