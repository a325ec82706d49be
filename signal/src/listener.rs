//! From a listening socket to connections.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Listen, SocketOptions},
    connection::Connection,
    error::SignalError,
    limits::{ACCEPT_RETRY_DELAY, HANDSHAKE_TIMEOUT, LISTEN_BACKLOG},
    node::{Node, Place, Standing, now},
    tls::Handshake,
};

/// Listens on an address, for a service that starts later; port 0 takes a free one, which is told.
///
/// # Errors
///
/// [`SignalError::Listen`] when the address is taken or not this machine's.
pub fn listen(address: SocketAddr) -> Result<(StdListener, SocketAddr), SignalError> {
    let listener =
        bind_address(address).map_err(|source| SignalError::Listen { address, source })?;
    let bound = listener.local_addr().map_err(SignalError::Listener)?;
    Ok((listener, bound))
}

/// Makes a listener ready, with `options` for every socket that will be accepted.
///
/// The options are set on the listening socket: accepted ones inherit them without a system call each.
pub(crate) fn bind(listen: Listen, options: &SocketOptions) -> Result<TcpListener, SignalError> {
    let listener = match listen {
        Listen::Address(address) => self::listen(address)?.0,
        Listen::Listener(listener) => listener,
    };
    set_options(&listener, options)
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| TcpListener::from_std(listener))
        .map_err(SignalError::Listener)
}

fn bind_address(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn set_options(listener: &StdListener, options: &SocketOptions) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(after) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(after))?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// What becomes of an accepted socket.
#[derive(Clone)]
pub(crate) enum Security {
    /// Frames in the clear.
    Plain,
    /// A handshake first, of which only so many go on at a time.
    Tls { handshake: Handshake, slots: Arc<Semaphore> },
}

/// Accepts connections until it is stopped.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) security: Security,
    pub(crate) node: Arc<Node>,
    pub(crate) stop: CancellationToken,
}

impl Acceptor {
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.accept_all() => {}
        }
    }

    async fn accept_all(&self) {
        loop {
            // While no handshake can begin, connections wait in the backlog.
            let slot = self.security.slot().await;
            match self.listener.accept().await {
                Ok((socket, _)) => self.welcome(socket, slot),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if let Some(suppressed) = self.node.telemetry.peers.open(now()) {
                        tracing::warn!(%error, suppressed, "cannot accept: trying again");
                    }
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    fn welcome(&self, socket: TcpStream, slot: Option<OwnedSemaphorePermit>) {
        let Some((place, standing)) = self.node.enter() else { return };
        match &self.security {
            Security::Plain => {
                tokio::spawn(Connection::new(socket, place, standing));
            }
            Security::Tls { handshake, .. } => {
                let handshake = handshake.clone();
                let stop = self.stop.clone();
                tokio::spawn(async move {
                    let _slot = slot;
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = shake_hands(handshake, socket, place, standing) => {}
                    }
                });
            }
        }
    }
}

impl Security {
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        match self {
            Self::Plain => None,
            Self::Tls { slots, .. } => Arc::clone(slots).acquire_owned().await.ok(),
        }
    }
}

/// The connection gets a task of its own afterwards: this one's memory is made for handshakes.
async fn shake_hands(handshake: Handshake, socket: TcpStream, place: Place, standing: Standing) {
    match timeout(HANDSHAKE_TIMEOUT, handshake.accept(socket)).await {
        Ok(Ok(transport)) => {
            tokio::spawn(Connection::new(transport, place, standing));
        }
        Ok(Err(error)) => tell_failure(&place, &error.to_string()),
        Err(_) => tell_failure(&place, "no end of the handshake in time"),
    }
}

fn tell_failure(place: &Place, reason: &str) {
    place.node.telemetry.handshakes_failed.add_one();
    if let Some(suppressed) = place.node.telemetry.peers.open(now()) {
        tracing::info!(reason, suppressed, "a TLS handshake failed");
    }
}

/// Whether the connection was gone before it was accepted, which says nothing about the listener.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
}
