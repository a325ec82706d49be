//! One request to the collector: OTLP over HTTP, in protobuf.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::{Message, bytes::Bytes};
use reqwest::{Client, Response, redirect};
use url::Url;

use crate::{
    config::TraceConfig,
    limits::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT, REASON_CHARS_MAX, RETRY_AFTER_MAX},
};

/// Where spans are taken.
#[derive(Debug)]
pub(crate) struct Collector {
    client: Client,
    url: Url,
}

/// Spans that the collector left out of what it took, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) spans: usize,
    pub(crate) why: String,
}

/// Why spans did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// They may be sent again, not before this time has passed.
    ForNow(String, Duration),
    /// They would be refused again.
    ForGood(String),
}

impl Collector {
    pub(crate) fn new(config: &TraceConfig) -> Result<Self, reqwest::Error> {
        let mut headers = config.headers.map();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let client = Client::builder()
            .default_headers(headers)
            .timeout(ANSWER_TIMEOUT)
            // What is shown to the collector is for nobody else.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("nudge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url: config.endpoint.url() })
    }

    /// Sends an encoded `ExportTraceServiceRequest`.
    pub(crate) async fn post(&self, body: Bytes) -> Result<LeftOut, Undelivered> {
        let sent = self.client.post(self.url.clone()).body(body).send().await;
        let response = sent.map_err(|error| Undelivered::ForNow(reason(error), Duration::ZERO))?;
        let status = response.status();
        if !status.is_success() {
            let why = format!("the collector answers {status}");
            return Err(if may_pass(status) {
                Undelivered::ForNow(why, asked_to_wait(&response))
            } else {
                Undelivered::ForGood(why)
            });
        }
        // Whatever there is to read, they have arrived.
        Ok(left_out(&read(response).await))
    }
}

/// Those that the standard lets a client try again (OTLP, "Retryable Response Codes").
fn may_pass(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn asked_to_wait(response: &Response) -> Duration {
    let header = response.headers().get(header::RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default()).min(RETRY_AFTER_MAX)
}

async fn read(mut response: Response) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Vec::new();
        }
        answer.extend_from_slice(&chunk);
    }
    answer
}

fn left_out(answer: &[u8]) -> LeftOut {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let ExportTracePartialSuccess { rejected_spans, error_message } =
        answer.partial_success.unwrap_or_default();
    LeftOut {
        spans: usize::try_from(rejected_spans).unwrap_or_default(),
        why: error_message.chars().take(REASON_CHARS_MAX).collect(),
    }
}

/// All that an error says, without the URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(deeper) = source {
        reason = format!("{reason}: {deeper}");
        source = deeper.source();
    }
    reason.chars().take(REASON_CHARS_MAX).collect()
}
