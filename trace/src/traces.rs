use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio_util::sync::CancellationToken;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::{
    SPANS, TraceConfig, account::Account, collector::Collector, exporter::Exporter,
    limits::FLUSH_TIMEOUT, queue::Queue, resource::resource, sampler::Share,
};

/// Why the export cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client of the collector.
    #[error("traces cannot be exported: {0}")]
    Client(#[from] reqwest::Error),
    /// The exporter's thread.
    #[error("no thread for the export of traces: {0}")]
    Thread(#[from] std::io::Error),
}

/// The export of this process's spans, from here to its [`finish`](Self::finish).
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    stop: CancellationToken,
    ended: Receiver<()>,
}

impl Traces {
    /// Begins to export. The collector need not be there.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the machine gives no thread or no TLS.
    pub fn start(config: &TraceConfig) -> Result<Self, StartError> {
        let (collector, resource) = (Collector::new(config)?, resource(config));
        let account = Arc::new(Account::default());
        let (queue, spans) = Queue::new(Arc::clone(&account));
        let exporter = Exporter { spans, collector, resource: (&resource).into(), account };
        let stop = CancellationToken::new();
        let (ending, ended) = mpsc::channel();
        exporter.spawn(stop.clone(), ending)?;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_sampler(Share::new(config.ratio))
            .with_resource(resource)
            .build();
        Ok(Self { provider, stop, ended })
    }

    /// Turns the spans of [`SPANS`] into those of OpenTelemetry; warnings and errors of the services become events of
    /// the span that they were logged in.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("nudge"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(concerns_traces).with_max_level_hint(LevelFilter::INFO))
    }

    /// Exports what is left, for a few seconds at most.
    pub fn finish(self) {
        self.stop.cancel();
        // Sending gives up before; this is for a machine that does nothing any more.
        let _ = self.ended.recv_timeout(FLUSH_TIMEOUT + Duration::from_secs(1));
    }
}

fn concerns_traces(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        return metadata.target() == SPANS;
    }
    metadata.target().starts_with("nudge_") && *metadata.level() <= Level::WARN
}
