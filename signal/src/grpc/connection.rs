//! From an address to HTTP/2.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
    rt::{Read, Write},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use nudge_proto::limits::{WATCH_PING_INTERVAL, WATCH_PING_TIMEOUT, WATCH_WINDOW_BYTES};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsConnector;
use tonic::{body::Body, codegen::Service};

use super::config::Target;
use crate::limits::WATCH_SEND_BYTES;

/// A connection to a fetch node; ends when this is dropped.
pub(super) struct Connection {
    pub(super) requests: Requests,
    driver: JoinHandle<()>,
}

/// Sends requests on a connection.
#[derive(Clone)]
pub(super) struct Requests(SendRequest<Body>);

impl Connection {
    /// Connects, and shakes hands.
    pub(super) async fn open(target: &Target, address: SocketAddr) -> Result<Self, String> {
        let failed = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let socket = TcpStream::connect(address).await.map_err(failed("cannot connect"))?;
        // Costs latency only; a connection without it still works.
        let _ = socket.set_nodelay(true);
        match &target.tls {
            None => Self::over(socket).await,
            Some((tls, name)) => {
                let connector = TlsConnector::from(tls.clone());
                let stream = connector.connect(name.clone(), socket).await;
                Self::over(stream.map_err(failed("TLS failed"))?).await
            }
        }
    }

    async fn over<S>(stream: S) -> Result<Self, String>
    where
        TokioIo<S>: Read + Write,
        S: Send + Unpin + 'static,
    {
        let (requests, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(WATCH_PING_INTERVAL)
            .keep_alive_timeout(WATCH_PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WATCH_WINDOW_BYTES)
            .initial_connection_window_size(WATCH_WINDOW_BYTES)
            .max_send_buf_size(WATCH_SEND_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP/2 failed: {error}"))?;
        let driver = tokio::spawn(async move {
            // The call on it hears of the error too.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to fetch ended");
            }
        });
        Ok(Self { requests: Requests(requests), driver })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Service<Request<Body>> for Requests {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.send_request(request).boxed()
    }
}
