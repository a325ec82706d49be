//! Connections: accepted, counted, given deadlines, and let go in an orderly way.

mod activity;
mod deadline;
mod line;
mod tls;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use nudge_proto::limits::{WATCH_PING_INTERVAL, WATCH_PING_TIMEOUT, WATCH_WINDOW_BYTES};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::limits::{
    BODY_TIMEOUT, CONNECTIONS_MAX, HEADER_TIMEOUT, HTTP1_BUFFER_BYTES_MAX, HTTP2_KEEP_ALIVE,
    HTTP2_STREAM_BUFFER_BYTES_MAX, HTTP2_STREAMS_MAX, IDLE_TIMEOUT, SHUTDOWN_TIMEOUT,
    TLS_HANDSHAKE_TIMEOUT, WATCH_SEND_BYTES, WRITE_TIMEOUT,
};
use activity::Activity;
use deadline::WriteDeadline;

pub(crate) use line::Line;

pub use tls::{PrivateTlsError, private_tls};

/// How a listener treats its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Many strangers, each with a few requests.
    Public,
    /// The operator's own, and the watch's streams, which stand for ever: a peer that is gone is noticed
    /// within seconds, and little is sent ahead of one that does not read.
    Private,
}

/// The request's connection showed a certificate of the listener's client authority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByCertificate;

/// One listener and its connections.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl HttpServer {
    /// Serves `router` on `listener`, over TLS if that is given.
    pub(crate) fn start(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        router: Router,
        manner: Manner,
    ) -> io::Result<Self> {
        let server = Self {
            address: listener.local_addr()?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let connections = Connections {
            tls: tls.map(TlsAcceptor::from),
            router,
            manner,
            stop: server.stop.clone(),
            tasks: server.tasks.clone(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        server.tasks.spawn(connections.accept(listener));
        Ok(server)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, and lets requests in flight finish within their time.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Connections {
    tls: Option<TlsAcceptor>,
    router: Router,
    manner: Manner,
    stop: CancellationToken,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
}

impl Connections {
    async fn accept(self, listener: TcpListener) {
        loop {
            // At the limit new connections wait in the kernel's queue.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer, permit),
                Err(error) => {
                    // Out of descriptors, mostly: trying again at once would only burn the core.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let tls = self.tls.clone();
        let serving = Serving {
            router: self.router.clone(),
            line: Line::new(peer),
            certificate: None,
            manner: self.manner,
            stop: self.stop.clone(),
        };
        self.tasks.spawn(async move {
            let _permit = permit;
            // Costs latency only; a connection without it still works.
            let _ = stream.set_nodelay(true);
            match tls {
                None => serving.serve(stream).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, tls.accept(stream));
                    match handshake.await {
                        Ok(Ok(stream)) => {
                            let shown = stream.get_ref().1.peer_certificates().is_some();
                            let certificate = shown.then_some(ByCertificate);
                            Serving { certificate, ..serving }.serve(stream).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    }
                }
            }
        });
    }
}

/// One connection's circumstances.
struct Serving {
    router: Router,
    line: Line,
    certificate: Option<ByCertificate>,
    manner: Manner,
    stop: CancellationToken,
}

impl Serving {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let service = activity.watch(self.router, self.line.clone(), self.certificate);
        let stream = WriteDeadline::new(self.line.listen(stream), WRITE_TIMEOUT);
        let builder = self.manner.builder();
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let enough = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = activity.idle_for(IDLE_TIMEOUT) => {}
            }
        };
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = activity.stalled_for(BODY_TIMEOUT) => {
                tracing::debug!("a connection is dropped: it takes nothing of its answers");
                return;
            }
            () = enough => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => return,
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

impl Manner {
    fn builder(self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
        let mut http2 = builder.http2();
        http2.timer(TokioTimer::new()).max_concurrent_streams(HTTP2_STREAMS_MAX);
        match self {
            Self::Public => {
                http2
                    .keep_alive_interval(HTTP2_KEEP_ALIVE)
                    .keep_alive_timeout(HEADER_TIMEOUT)
                    .max_send_buf_size(HTTP2_STREAM_BUFFER_BYTES_MAX);
            }
            Self::Private => {
                http2
                    .keep_alive_interval(WATCH_PING_INTERVAL)
                    .keep_alive_timeout(WATCH_PING_TIMEOUT)
                    .initial_stream_window_size(WATCH_WINDOW_BYTES)
                    .initial_connection_window_size(WATCH_WINDOW_BYTES)
                    .max_send_buf_size(WATCH_SEND_BYTES);
            }
        }
        builder
    }
}

const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
