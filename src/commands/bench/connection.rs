//! One device's signaling connection, as lean as the holding process can make it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nudge_proto::frame::{ClientFrame, FrameDecoder, Hello, ServerFrame};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::failure::Failure;

/// A welcome must come within this time.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(60);

/// Where to connect, and how.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) signal: SocketAddr,
    /// The address to connect from: each has ports of its own.
    pub(super) source: SocketAddr,
    pub(super) tls: Option<TlsConnector>,
}

/// A welcomed connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
    unread: Vec<u8>,
    heartbeat: Duration,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    /// Trusts the certificate in `pem`, for TLS.
    pub(super) fn connector(pem: &[u8]) -> Result<TlsConnector, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(Failure::new)?)?;
        }
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![nudge_signal::ALPN.to_vec()];
        // What comes back later would resume; nobody comes back here.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Connects, says hello with the ticket, and waits for the welcome.
    pub(super) async fn join(&self, ticket: &str) -> Result<Connection, Failure> {
        let ticket = URL_SAFE_NO_PAD.decode(ticket)?;
        let mut connection = Connection {
            stream: self.connect().await?,
            decoder: FrameDecoder::default(),
            unread: Vec::new(),
            heartbeat: Duration::ZERO,
        };
        connection.say(&hello(ticket)).await?;
        let deadline = Instant::now() + WELCOME_TIMEOUT;
        match timeout_at(deadline, connection.hear()).await {
            Ok(Ok(ServerFrame::Welcome(welcome))) => {
                connection.heartbeat = Duration::from_secs(welcome.heartbeat_s.into());
                Ok(connection)
            }
            Ok(Ok(other)) => Err(Failure::new(format!("instead of a welcome came {other:?}"))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::new("no welcome came in time")),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, io::Error> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.source)?;
        let tcp: TcpStream = socket.connect(self.signal).await?;
        Ok(match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::IpAddress(self.signal.ip().into());
                Box::new(tls.connect(name, tcp).await?)
            }
        })
    }
}

impl Connection {
    /// Keeps the connection by pings, the first after `phase` of a heartbeat, until it ends.
    pub(super) async fn keep(mut self, phase: f64) -> Result<(), Failure> {
        let mut ping_at = Instant::now() + self.heartbeat.mul_f64(phase);
        loop {
            match timeout_at(ping_at, self.hear()).await {
                Ok(Ok(ServerFrame::Error { code, .. })) => return Err(Failure::new(code.text())),
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => {
                    self.say(&ClientFrame::Ping).await?;
                    ping_at += self.heartbeat;
                }
            }
        }
    }

    async fn say(&mut self, frame: &ClientFrame) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.write_all(&bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Loses nothing when it is cancelled.
    async fn hear(&mut self) -> Result<ServerFrame, Failure> {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input, ServerFrame::BYTES_MAX);
            let taken = self.unread.len() - input.len();
            self.unread.drain(..taken);
            if let Some(frame) = frame? {
                return Ok(ServerFrame::decode(&frame)?);
            }
            let mut buffer = [0; 256];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(Failure::new("the server closed the connection")),
                length => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

fn hello(ticket: Vec<u8>) -> ClientFrame {
    ClientFrame::Hello(Hello {
        ticket: ticket.into(),
        cursor: None,
        instance: uuid::Uuid::new_v4().as_u64_pair().0,
        attempt: 1,
        client_name: "nudge bench".to_owned(),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        heartbeat_s: 0,
        network_hint: String::new(),
    })
}
