//! An S3 server of the tests.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use nudge_fetch::objects::RemoteConfig;
use nudge_test_servers::S3;

/// A server, and the endpoint under which it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) server: Arc<S3>,
    endpoint: String,
}

impl Bucket {
    /// One that nobody stops: ours, or by `NUDGE_TEST_S3=http://HOST:PORT` another that is to be tried, with
    /// the same bucket and credentials.
    pub(crate) fn shared() -> Self {
        static SHARED: LazyLock<Bucket> = LazyLock::new(|| {
            let ours = Bucket::own();
            std::env::var(OTHER_VARIABLE)
                .map_or_else(|_| ours.clone(), |endpoint| Bucket { endpoint, ..ours.clone() })
        });
        SHARED.clone()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.trim_start_matches("http://").parse().unwrap()
    }

    /// One that the test may stop.
    pub(crate) fn own() -> Self {
        let server = Arc::new(S3::start().unwrap());
        Self { endpoint: server.endpoint(), server }
    }

    /// The same, by way of a proxy.
    pub(crate) fn through(&self, address: SocketAddr) -> Self {
        Self { endpoint: format!("http://{address}"), ..self.clone() }
    }

    pub(crate) fn at(&self, prefix: &str) -> RemoteConfig {
        RemoteConfig::new(&format!("s3://{}/{prefix}", S3::BUCKET), self.options()).unwrap()
    }

    pub(crate) fn options(&self) -> Vec<(String, String)> {
        let options = self.server.environment().into_iter();
        let options = options.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let others = options.filter(|(name, _)| name != "aws_endpoint");
        others.chain([("aws_endpoint".to_owned(), self.endpoint.clone())]).collect()
    }
}

/// Names an S3 server to try instead of ours.
const OTHER_VARIABLE: &str = "NUDGE_TEST_S3";
