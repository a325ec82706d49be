//! What waits for the exporter.

use std::{sync::Arc, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::sync::mpsc;

use crate::{account::Account, limits::SPANS_WAITING_MAX};

/// Takes finished spans, on the threads of the service: it never waits.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: mpsc::Sender<SpanData>,
    account: Arc<Account>,
}

impl Queue {
    /// The queue, and the end that it is emptied from.
    pub(crate) fn new(account: Arc<Account>) -> (Self, mpsc::Receiver<SpanData>) {
        let (waiting, spans) = mpsc::channel(SPANS_WAITING_MAX);
        (Self { waiting, account }, spans)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.try_send(span).is_err() {
            self.account.lost(1);
        }
    }

    /// The exporter sees to it.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
