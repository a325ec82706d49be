//! The end of a connection whose last frame the peer should get to read.
//!
//! Closing a socket with bytes unread resets it, and a reset may overtake the last frame. So the
//! writing half closes first, and what the peer still sends is thrown away for a while.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    alarms::{Alarms, Tick},
    limits::{LINGER_BYTES_MAX, LINGER_TIMEOUT, READ_BYTES},
};

/// How much of an end is left.
#[derive(Debug)]
pub(super) struct Linger {
    deadline: Tick,
    bytes_left: u32,
    is_shut_down: bool,
}

impl Linger {
    pub(super) fn new(alarms: &Alarms, now: Instant) -> Self {
        Self {
            deadline: alarms.tick_of(now + LINGER_TIMEOUT),
            bytes_left: LINGER_BYTES_MAX,
            is_shut_down: false,
        }
    }

    pub(super) const fn deadline(&self) -> Tick {
        self.deadline
    }

    /// Ready once the connection may be closed.
    pub(super) fn poll(
        &mut self,
        transport: &mut (impl AsyncRead + AsyncWrite + Unpin),
        context: &mut Context<'_>,
        now: Tick,
    ) -> Poll<()> {
        if now >= self.deadline {
            return Poll::Ready(());
        }
        if !self.is_shut_down {
            if ready!(Pin::new(&mut *transport).poll_shutdown(context)).is_err() {
                return Poll::Ready(());
            }
            self.is_shut_down = true;
        }
        loop {
            let mut room = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut room);
            let read = ready!(Pin::new(&mut *transport).poll_read(context, &mut buffer));
            let bytes = buffer.filled().len() as u32;
            if read.is_err() || bytes == 0 || bytes >= self.bytes_left {
                return Poll::Ready(());
            }
            self.bytes_left -= bytes;
        }
    }
}
