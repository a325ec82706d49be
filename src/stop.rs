//! Being asked to end: Ctrl-C and SIGTERM.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Both signals; from here on neither ends the program by itself.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Lets the time pass; whoever asks once more ends it.
    pub(crate) async fn linger(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        tracing::info!(?time, "not ready any more; serving for a while yet");
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.asked() => tracing::info!("asked once more: no longer"),
        }
    }

    /// Does the work to its end; whoever asks once more cuts it short.
    pub(crate) async fn finish(&mut self, work: impl Future<Output = ()>) {
        tokio::select! {
            () = work => {}
            () = self.asked() => tracing::warn!("asked once more: what is open is cut off"),
        }
    }

    /// Waits until one of them comes.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
