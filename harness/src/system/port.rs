use std::{io, net::SocketAddr};

use tokio::net::TcpSocket;

/// A port of the loopback that stays ours while nothing listens on it.
///
/// A socket is bound to it and never listens: the system gives the port to nobody else, neither to a
/// listener nor as the source of a connection, while a listener that reuses addresses can come and go.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    address: SocketAddr,
    _holder: TcpSocket,
}

impl ReservedPort {
    /// Takes a free port.
    pub(crate) fn take() -> io::Result<Self> {
        let holder = TcpSocket::new_v4()?;
        holder.set_reuseaddr(true)?;
        holder.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: holder.local_addr()?, _holder: holder })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The three ports of a server.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) signal: ReservedPort,
    pub(crate) fetch: ReservedPort,
    pub(crate) private: ReservedPort,
}

impl Ports {
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            signal: ReservedPort::take()?,
            fetch: ReservedPort::take()?,
            private: ReservedPort::take()?,
        })
    }

    pub(crate) const fn all(&self) -> [SocketAddr; 3] {
        [self.signal.address(), self.fetch.address(), self.private.address()]
    }
}
