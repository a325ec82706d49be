//! The signaling protocol without the SDK: one frame said, one frame heard, each byte counted.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nudge_proto::{
    CloseCode, Cursor,
    frame::{ClientFrame, FrameDecoder, FrameError, Hello, ServerFrame, Welcome},
    pb::content::Session,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpSocket,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::System;

/// A frame must come within this time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of one read.
const READ_BYTES: usize = 4096;

/// One signaling connection, in the test's own hands: it reads nothing unless it is told to.
pub struct Peer {
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
    unread: Vec<u8>,
}

/// A frame, and what it took on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What was said.
    pub frame: ServerFrame,
    /// Its bytes, with the length before it.
    pub bytes: usize,
}

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The connection cannot be made, or broke.
    #[error("the signaling connection: {0}")]
    Io(#[from] io::Error),
    /// What was said is no frame.
    #[error("the server said what is no frame: {0}")]
    Frame(#[from] FrameError),
    /// Nothing was said in time.
    #[error("the server said nothing for {PATIENCE:?}")]
    Silence,
    /// Something else was said.
    #[error("{wanted} was expected, and the server said {heard:?}")]
    Unexpected {
        /// What.
        wanted: &'static str,
        /// Instead of it; `None` for the end of the connection.
        heard: Option<ServerFrame>,
    },
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl System {
    /// A signaling connection that has said nothing yet, over TLS if the system speaks it.
    ///
    /// # Errors
    ///
    /// When the connection does not stand.
    pub async fn peer(&self) -> Result<Peer, PeerError> {
        Peer::connect(self.signal_addr(), self.certificate_pem()).await
    }
}

impl Peer {
    /// Connects, over TLS if there is a certificate to trust.
    ///
    /// # Errors
    ///
    /// When the connection does not stand.
    pub async fn connect(
        address: SocketAddr,
        certificate: Option<&str>,
    ) -> Result<Self, PeerError> {
        let socket = TcpSocket::new_v4()?;
        // The kernel's smallest: a peer that does not read soon stops the server's writing.
        socket.set_recv_buffer_size(1)?;
        let tcp = socket.connect(address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match certificate {
            None => Box::new(tcp),
            Some(pem) => {
                let name = ServerName::IpAddress(address.ip().into());
                Box::new(connector(pem)?.connect(name, tcp).await?)
            }
        };
        Ok(Self { stream, decoder: FrameDecoder::default(), unread: Vec::new() })
    }

    /// Says a frame.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn say(&mut self, frame: &ClientFrame) -> Result<(), PeerError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.say_bytes(&bytes).await
    }

    /// Says anything.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn say_bytes(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Says nothing more, and goes on listening.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn say_no_more(&mut self) -> Result<(), PeerError> {
        Ok(self.stream.shutdown().await?)
    }

    /// Says the hello of a session, and hears the welcome.
    ///
    /// # Errors
    ///
    /// [`PeerError::Unexpected`] without a welcome.
    pub async fn join(&mut self, session: &Session) -> Result<Welcome, PeerError> {
        self.say(&ClientFrame::Hello(hello(session))).await?;
        match self.hear().await? {
            Some(Heard { frame: ServerFrame::Welcome(welcome), .. }) => Ok(welcome),
            other => Err(unexpected("a welcome", other)),
        }
    }

    /// The next frame; `None` at the end of the connection.
    ///
    /// # Errors
    ///
    /// [`PeerError::Silence`] when there is none for a long time.
    pub async fn hear(&mut self) -> Result<Option<Heard>, PeerError> {
        timeout(PATIENCE, self.next_frame()).await.map_err(|_| PeerError::Silence)?
    }

    /// The next frame, which is an error and the connection's last.
    ///
    /// # Errors
    ///
    /// [`PeerError::Unexpected`] when it is something else.
    pub async fn hear_end(&mut self) -> Result<CloseCode, PeerError> {
        let code = match self.hear().await? {
            Some(Heard { frame: ServerFrame::Error { code, .. }, .. }) => code,
            other => return Err(unexpected("an error", other)),
        };
        match self.hear().await? {
            None => Ok(code),
            other => Err(unexpected("the end", other)),
        }
    }

    async fn next_frame(&mut self) -> Result<Option<Heard>, PeerError> {
        const PREFIX_BYTES: usize = 2;
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input, ServerFrame::BYTES_MAX)?;
            self.unread = input.to_vec();
            if let Some(frame) = frame {
                let bytes = PREFIX_BYTES + frame.len();
                return Ok(Some(Heard { frame: ServerFrame::decode(&frame)?, bytes }));
            }
            let mut buffer = [0; READ_BYTES];
            match self.stream.read(&mut buffer).await? {
                0 => return Ok(None),
                length => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Peer").field("unread", &self.unread.len()).finish_non_exhaustive()
    }
}

/// The hello of a session, of a run of its own.
#[must_use]
pub fn hello(session: &Session) -> Hello {
    Hello {
        ticket: ticket(session).into(),
        cursor: session.cursor.parse::<Cursor>().ok(),
        instance: fastrand::u64(..),
        attempt: 1,
        client_name: "harness".to_owned(),
        client_version: String::new(),
        heartbeat_s: 0,
        network_hint: String::new(),
    }
}

/// The bytes of a session's connect ticket; none when it is no base64url.
#[must_use]
pub fn ticket(session: &Session) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(&session.connect_ticket).unwrap_or_default()
}

fn unexpected(wanted: &'static str, heard: Option<Heard>) -> PeerError {
    PeerError::Unexpected { wanted, heard: heard.map(|heard| heard.frame) }
}

fn connector(pem: &str) -> Result<TlsConnector, PeerError> {
    let invalid = |error: &dyn std::error::Error| {
        PeerError::Io(io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| invalid(&error))?;
        roots.add(certificate).map_err(|error| invalid(&error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![nudge_signal::ALPN.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
