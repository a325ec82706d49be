//! TLS 1.3 in front of the same driver.

use std::{io, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::error::TlsError;

/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"nudge/1";

/// A certificate chain and its key, which can be replaced while they are in use.
///
/// Connections that stand keep what they have; every later handshake uses the newest.
#[derive(Debug)]
pub struct Certificates {
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Takes a chain, the server's own certificate first, and the key of that one.
    ///
    /// # Errors
    ///
    /// [`TlsError::Rejected`] when the two do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        Ok(Self { current: RwLock::new(certified(chain, key)?) })
    }

    /// Takes both as PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when they are no PEM or do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (chain, key) = parse(chain, key)?;
        Self::new(chain, key)
    }

    /// Replaces both, from PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] as in [`Self::from_pem`]; what was in use stays in use then.
    pub fn replace_pem(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let (chain, key) = parse(chain, key)?;
        *self.current.write() = certified(chain, key)?;
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

/// The same certificate, shown to a server.
impl ResolvesClientCert for Certificates {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn parse(
    chain: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let not_pem = |what: &'static str| {
        move |error: rustls::pki_types::pem::Error| TlsError::Pem {
            what,
            reason: error.to_string(),
        }
    };
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(not_pem("certificate chain"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(not_pem("private key"))?;
    Ok((chain, key))
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    Ok(Arc::new(certified))
}

/// Makes TLS connections out of TCP connections.
///
/// The one place that knows which TLS implementation carries the bytes afterwards.
#[derive(Clone)]
pub(crate) struct Handshake {
    acceptor: TlsAcceptor,
}

/// What carries the bytes after a handshake.
pub(crate) type TlsTransport = tokio_rustls::server::TlsStream<TcpStream>;

impl Handshake {
    pub(crate) fn new(certificates: Arc<dyn ResolvesServerCert>) -> Result<Self, TlsError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Resumption is stateless: a phone that comes back costs no signature, and one that stays away
        // costs no memory.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsTransport> {
        self.acceptor.accept(socket).await
    }
}
