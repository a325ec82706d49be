//! The connection that a request comes by.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// Where a connection comes from, and when its peer was last heard; of a request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The peer's.
    pub(crate) address: SocketAddr,
    began: Instant,
    /// Milliseconds from the beginning to the last byte that was read: what HTTP/2's pings are answered
    /// with, too.
    heard_after_ms: Arc<AtomicU64>,
}

impl Line {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, began: Instant::now(), heard_after_ms: Arc::default() }
    }

    /// How long nothing was heard of the peer.
    pub(crate) fn silent_for(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_after_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }

    /// The stream, and every byte of it is noted.
    pub(super) const fn listen<S>(self, stream: S) -> Heard<S> {
        Heard { stream, line: self }
    }

    fn note(&self) {
        let after_ms = self.began.elapsed().as_millis() as u64;
        self.heard_after_ms.store(after_ms, Ordering::Relaxed);
    }
}

/// A stream whose line notes when something was read.
#[derive(Debug)]
pub(super) struct Heard<S> {
    stream: S,
    line: Line,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.line.note();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_the_last_byte_of_the_peer() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let line = Line::new(SocketAddr::from(([127, 0, 0, 1], 7)));
        let mut stream = line.clone().listen(stream);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(line.silent_for(), Duration::from_secs(9));
        peer.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(line.silent_for(), Duration::ZERO);
        stream.write_all(b"ping").await.unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(line.silent_for(), Duration::from_secs(2), "what is said is not heard");
    }
}
