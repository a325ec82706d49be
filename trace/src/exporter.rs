//! The thread that empties the queue.

use std::{
    sync::{Arc, mpsc::Sender},
    thread,
    time::Instant,
};

use nudge_proto::session::Backoff;
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::trace::SpanData;
use prost::{Message, bytes::Bytes};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    account::{Account, Complaints},
    collector::{Collector, LeftOut, Undelivered},
    limits::{FLUSH_TIMEOUT, GATHER_TIME, RETRY_MAX, RETRY_MIN, SPANS_PER_REQUEST_MAX},
};

/// Sends what is in the queue, one request at a time.
#[derive(Debug)]
pub(crate) struct Exporter {
    pub(crate) spans: mpsc::Receiver<SpanData>,
    pub(crate) collector: Collector,
    pub(crate) resource: ResourceAttributesWithSchema,
    pub(crate) account: Arc<Account>,
}

impl Exporter {
    /// Begins on a thread of its own, so that a service that is busy and its export do not wait for each other. After
    /// `stop` what is left is sent, once; `ended` hears of the end.
    pub(crate) fn spawn(
        self,
        stop: CancellationToken,
        ended: Sender<()>,
    ) -> Result<(), std::io::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            runtime.block_on(Run::new(self).until(stop));
            // Nobody may have waited.
            let _ = ended.send(());
        };
        thread::Builder::new().name("nudge-traces".to_owned()).spawn(run).map(drop)
    }
}

/// What goes out with one request.
#[derive(Debug)]
struct Batch {
    spans: usize,
    body: Bytes,
}

/// An exporter at work. What it does may be given up at any point where it waits: the batch that it was about is
/// still there.
#[derive(Debug)]
struct Run {
    exporter: Exporter,
    /// Of the queue, and not in the batch yet.
    gathered: Vec<SpanData>,
    /// What has not arrived.
    batch: Option<Batch>,
    backoff: Backoff,
    complaints: Complaints,
}

impl Run {
    fn new(exporter: Exporter) -> Self {
        Self {
            exporter,
            gathered: Vec::new(),
            batch: None,
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX, fastrand::u64(..)),
            complaints: Complaints::default(),
        }
    }

    async fn until(mut self, stop: CancellationToken) {
        let _ = stop.run_until_cancelled(self.export()).await;
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.flush()).await;
        self.tell_what_is_left();
    }

    async fn export(&mut self) {
        loop {
            if self.batch.is_none() {
                self.gather().await;
            }
            if let Err(wait) = self.deliver().await {
                sleep(wait).await;
            }
        }
    }

    /// Waits for a span, and for those that come with it: while it waits for these, nobody has to wake it.
    async fn gather(&mut self) {
        if self.exporter.spans.is_empty() && self.gathered.is_empty() {
            if self.exporter.spans.recv_many(&mut self.gathered, 1).await == 0 {
                // There will be none.
                std::future::pending::<()>().await;
            }
            sleep(GATHER_TIME).await;
        }
        self.fill();
    }

    /// Makes a batch of what is there.
    fn fill(&mut self) {
        while self.gathered.len() < SPANS_PER_REQUEST_MAX
            && let Ok(span) = self.exporter.spans.try_recv()
        {
            self.gathered.push(span);
        }
        let spans = std::mem::take(&mut self.gathered);
        let count = spans.len();
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.exporter.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        self.batch = (count > 0).then(|| Batch { spans: count, body: body.into() });
    }

    /// Sends the batch; how long to wait, when it has to be sent again.
    async fn deliver(&mut self) -> Result<(), std::time::Duration> {
        let Some(batch) = &self.batch else { return Ok(()) };
        let account = Arc::clone(&self.exporter.account);
        match self.exporter.collector.post(batch.body.clone()).await {
            Ok(LeftOut { spans, why }) => {
                let spans = spans.min(batch.spans);
                account.exported(batch.spans - spans);
                if spans > 0 {
                    account.refused(spans);
                    self.complain(&format!("the collector leaves some out: {why:?}"));
                } else if account.has_untold() {
                    self.complain("some found no room while they waited");
                } else if self.complaints.is_over() {
                    tracing::info!("traces are exported again");
                }
            }
            Err(Undelivered::ForGood(why)) => {
                account.refused(batch.spans);
                self.complain(&why);
            }
            Err(Undelivered::ForNow(why, at_least)) => {
                self.complain(&why);
                return Err(self.backoff.next_wait().max(at_least));
            }
        }
        self.batch = None;
        self.backoff.reset();
        Ok(())
    }

    /// Sends everything, until something does not arrive.
    async fn flush(&mut self) {
        loop {
            if self.batch.is_none() {
                self.fill();
            }
            if self.batch.is_none() || self.deliver().await.is_err() {
                return;
            }
        }
    }

    fn complain(&mut self, reason: &str) {
        if self.complaints.trouble(Instant::now()) {
            let lost = self.exporter.account.take_untold();
            tracing::warn!(reason, lost, "traces are not exported as they should be");
        }
    }

    fn tell_what_is_left(mut self) {
        let account = &self.exporter.account;
        account.lost(self.batch.as_ref().map_or(0, |batch| batch.spans));
        account.lost(self.gathered.len());
        while self.exporter.spans.try_recv().is_ok() {
            account.lost(1);
        }
        let lost = account.take_untold();
        if lost > 0 {
            tracing::warn!(lost, "the last traces were not exported");
        }
    }
}
