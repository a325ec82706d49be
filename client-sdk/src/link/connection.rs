//! One TCP or TLS connection to a signal node, frame by frame.

use std::{io, sync::Arc};

use nudge_proto::{
    frame::{ClientFrame, FrameDecoder, FrameError, ServerFrame},
    pb::content as pb,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{Error, core::Core, error::Result};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
    /// Read, and not taken apart yet.
    unread: Vec<u8>,
}

/// Connects to `address`, or to the endpoint that the server names.
pub(super) async fn open(core: Arc<Core>, address: Option<String>) -> Result<Connection> {
    let endpoint = endpoint(&core).await?;
    let (host, port) = split(address.as_deref().unwrap_or(&endpoint.address))?;
    let host = if host.is_empty() { core.http.host() } else { host };
    let failed = |error: io::Error| Error::Offline(format!("{host}:{port}: {error}"));
    let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    let stream: Box<dyn Stream> = match endpoint.kind.as_str() {
        "tls" => {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(Error::protocol)?;
            let connector = TlsConnector::from(core.tls.for_signal());
            Box::new(connector.connect(name, tcp).await.map_err(failed)?)
        }
        _ => Box::new(tcp),
    };
    Ok(Connection { stream, decoder: FrameDecoder::default(), unread: Vec::new() })
}

/// The best endpoint of those that this client can speak.
async fn endpoint(core: &Core) -> Result<pb::TransportEndpoint> {
    let discovery = core.discovery().await?;
    let spoken = ["tls", "tcp"]
        .iter()
        .find_map(|kind| discovery.transports.iter().find(|endpoint| endpoint.kind == **kind));
    spoken.cloned().ok_or_else(|| {
        Error::Protocol("the server names no transport that this client speaks".to_owned())
    })
}

fn split(address: &str) -> Result<(&str, u16)> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| Error::Protocol(format!("the address {address:?} is not host:port")))
}

impl Connection {
    pub(super) async fn say(&mut self, frame: &ClientFrame) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// The next frame; `None` at the end. Nothing is lost when the future is dropped.
    pub(super) async fn hear(&mut self) -> Option<std::result::Result<ServerFrame, FrameError>> {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input, ServerFrame::BYTES_MAX);
            let taken = self.unread.len() - input.len();
            self.unread.drain(..taken);
            match frame {
                Ok(Some(frame)) => return Some(ServerFrame::decode(&frame)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            let mut buffer = [0; READ_BYTES];
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Bytes read at a time: a few frames.
const READ_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(split("chat.example:7400").unwrap(), ("chat.example", 7400));
        assert_eq!(split(":7400").unwrap(), ("", 7400));
        assert_eq!(split("[::1]:7400").unwrap(), ("[::1]", 7400));
        assert!(split("chat.example").is_err());
        assert!(split("chat.example:many").is_err());
    }
}
