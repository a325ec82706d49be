use std::{fmt::Display, path::PathBuf};

use clap::Args;
use nudge_trace::TraceConfig;

use super::secret::secret;
use crate::failure::Failure;

/// Where the traces go. The variables are the standard ones of OpenTelemetry where it has one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traces")]
pub(crate) struct TraceSettings {
    /// Collector of OpenTelemetry that traces are sent to, http://HOST:4318 or https://.. (OTLP over HTTP)
    /// [default: none are]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Headers shown to the collector, NAME=VALUE with commas between
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", value_name = "LIST", hide_env_values = true)]
    pub(crate) otlp_headers: Option<String>,
    /// File that these headers are in, to keep them from the command line
    #[arg(long, env = "NUDGE_OTLP_HEADERS_FILE", value_name = "FILE")]
    pub(crate) otlp_headers_file: Option<PathBuf>,
    /// Name of the service in its traces [default: nudge, nudge-fetch or nudge-signal]
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub(crate) service_name: Option<String>,
    /// Share of the traces that are kept, 0 to 1; callers that send a traceparent get no more
    #[arg(long, env = "NUDGE_TRACE_RATIO", value_name = "RATIO", default_value = "1")]
    pub(crate) trace_ratio: String,
}

impl TraceSettings {
    /// What is exported; `None` when there is nobody to take it.
    pub(crate) fn config(
        &self,
        default_name: &'static str,
    ) -> Result<Option<TraceConfig>, Failure> {
        let endpoint = self.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
        let Some(endpoint) = endpoint.filter(|_| !is_disabled()) else { return Ok(None) };
        let file = self.otlp_headers_file.as_deref();
        let headers = secret("otlp-headers", self.otlp_headers.clone(), file)?.unwrap_or_default();
        Ok(Some(TraceConfig {
            endpoint: endpoint.parse().map_err(wrong("otlp-endpoint"))?,
            headers: headers.parse().map_err(wrong("otlp-headers"))?,
            ratio: self.trace_ratio.parse().map_err(wrong("trace-ratio"))?,
            service_name: self.service_name.clone().filter(|name| !name.is_empty()),
            default_name,
            version: env!("CARGO_PKG_VERSION"),
        }))
    }
}

/// Whether the standard's own switch is off.
fn is_disabled() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

fn wrong<E: Display>(setting: &str) -> impl Fn(E) -> Failure {
    move |error| Failure::configuration(format!("--{setting}: {error}"))
}
