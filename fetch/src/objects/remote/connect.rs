//! From an URL and options to a client.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
    multipart::MultipartStore, path::Path, signer::Signer,
};

use super::failure::ConnectError;
use crate::objects::RemoteConfig;

/// A client, and where in the bucket.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) multiparts: Arc<dyn MultipartStore>,
    /// Where URLs can be signed that say how their answer is to be treated.
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) prefix: Path,
    /// For a person: without credentials.
    pub(super) name: String,
}

/// How long a silent or failing object store is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    connect: Duration,
    /// Without a byte from the other side.
    silence: Duration,
    retries: usize,
    /// No retry begins after this time.
    retry_for: Duration,
}

impl Patience {
    /// While it serves: a restart of the object store is waited out.
    pub(super) const LONG: Self = Self {
        connect: Duration::from_secs(3),
        silence: Duration::from_secs(30),
        retries: 6,
        retry_for: Duration::from_secs(20),
    };
    /// At the start, and for readiness.
    pub(super) const SHORT: Self = Self {
        connect: Duration::from_secs(2),
        silence: Duration::from_secs(4),
        retries: 1,
        retry_for: Duration::from_secs(3),
    };

    fn retry(self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(4),
                base: 2.0,
            },
            max_retries: self.retries,
            retry_timeout: self.retry_for,
        }
    }

    /// No limit on the whole of a request: a download takes as long as its client.
    fn client(self) -> ClientOptions {
        ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(self.connect)
            .with_read_timeout(self.silence)
    }
}

pub(super) fn connect(config: &RemoteConfig, patience: Patience) -> Result<Backend, ConnectError> {
    let url = &config.url;
    let refuse = |why: String| ConnectError::Configuration { place: url.to_string(), why };
    let failed = |error: object_store::Error| refuse(error.to_string());
    let (_, prefix) = ObjectStoreScheme::parse(url).map_err(|error| refuse(error.to_string()))?;
    let (url, options) = (url.to_string(), patience.client());
    macro_rules! build {
        ($builder:ty, $prefix:literal) => {{
            let builder = <$builder>::new().with_url(url.clone()).with_retry(patience.retry());
            let mut builder = builder.with_client_options(options);
            for (name, value) in &config.options {
                // Not every variable of that name is an option: AWS_EXECUTION_ENV is none.
                if name.starts_with($prefix)
                    && let Ok(key) = name.parse()
                {
                    builder = builder.with_config(key, value);
                }
            }
            let client = Arc::new(builder.build().map_err(failed)?);
            let signer: Option<Arc<dyn Signer>> = Some(client.clone());
            Backend { objects: client.clone(), multiparts: client, signer, prefix, name: url }
        }};
    }
    check_http(config).map_err(&refuse)?;
    match config.url.scheme() {
        "s3" => Ok(build!(AmazonS3Builder, "aws_")),
        "gs" => Ok(build!(GoogleCloudStorageBuilder, "google_")),
        "az" => Ok(Backend { signer: None, ..build!(MicrosoftAzureBuilder, "azure_") }),
        other => Err(refuse(format!("the scheme {other} is unknown"))),
    }
}

/// Said here, because the client's own words do not say what to do.
fn check_http(config: &RemoteConfig) -> Result<(), String> {
    let option = |wanted: &str| {
        config.options.iter().find(|(name, _)| name.ends_with(wanted)).map(|(_, value)| value)
    };
    let endpoint = ["_endpoint", "_endpoint_url", "_endpoint_url_s3"].into_iter().find_map(option);
    let is_allowed = option("_allow_http").is_some_and(|value| value == "true" || value == "1");
    match endpoint {
        Some(endpoint) if endpoint.starts_with("http://") && !is_allowed => Err(format!(
            "the endpoint {endpoint} is without TLS: use https, or set AWS_ALLOW_HTTP=true"
        )),
        _ => Ok(()),
    }
}
