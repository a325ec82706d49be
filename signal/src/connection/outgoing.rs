//! A frame on its way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use nudge_proto::frame::ServerFrame;
use tokio::io::AsyncWrite;

/// A frame on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    pub(super) fn new(frame: &ServerFrame) -> Self {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        Self { bytes, written: 0 }
    }

    /// Ready once the transport has taken all of it, its own buffers included.
    pub(super) fn poll_write(
        &mut self,
        transport: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let rest = &self.bytes[self.written..];
            match ready!(Pin::new(&mut *transport).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Pin::new(transport).poll_flush(context)
    }
}
