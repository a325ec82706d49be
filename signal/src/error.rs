//! Why the service does not start.

use std::{io, net::SocketAddr};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Neither a TCP nor a TLS listener is configured.
    #[error("no listener is configured: set the TCP or the TLS address, or both")]
    NoListener,
    /// An address can't be listened on.
    #[error("cannot listen on {address}: {source}; is another program using it?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener that was handed in can't be used.
    #[error("cannot use the listener that was handed in: {0}")]
    Listener(#[source] io::Error),
    /// Certificate and key are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM of certificates or of a key.
    #[error("the {what} is not usable PEM: {reason}")]
    Pem {
        /// "certificate chain" or "private key".
        what: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The key does not fit the certificate, or is of a kind that is not supported.
    #[error("certificate and private key are not usable together: {0}")]
    Rejected(#[from] rustls::Error),
}
