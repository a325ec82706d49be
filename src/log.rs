//! What the program says of itself while it runs: the log, and the spans that are exported.

use nudge_trace::Traces;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    cli::{Cli, LogFormat},
    failure::Failure,
};

/// Begins both. What is returned ends the export.
pub(crate) fn start(cli: &Cli) -> Result<Option<Traces>, Failure> {
    let traces = cli.command.traces()?.map(|config| Traces::start(&config)).transpose();
    let traces = traces.map_err(Failure::configuration)?;
    let Some(traces) = traces else {
        // One filter of all: what nobody logs is not even looked at.
        let log = tracing_subscriber::fmt()
            .with_env_filter(cli.log_filter()?)
            .with_writer(std::io::stderr);
        match cli.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().flatten_event(true).init(),
        }
        return Ok(None);
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match cli.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let log = log.with_filter(cli.log_filter()?);
    tracing_subscriber::registry().with(log).with(traces.layer()).init();
    Ok(Some(traces))
}
