//! Where the fetch nodes are, and what is shown to them.

use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};

use http::{HeaderValue, Uri};
use nudge_proto::watch::{NodeName, WatchSecret};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject},
};
use tokio::{net::lookup_host, time::timeout};

use crate::{Certificates, error::TlsError, limits::WATCH_RESOLVE_TIMEOUT};

/// Where the fetch nodes are, and what is shown to them.
#[derive(Clone, Debug)]
pub struct GrpcWatchConfig {
    /// Their private listeners. A name with several addresses stands for as many nodes.
    pub fetch: Vec<FetchUrl>,
    /// What this node calls itself there, for their operator.
    pub name: Option<NodeName>,
    /// What they ask for, if they do.
    pub secret: Option<WatchSecret>,
    /// For `https`; see [`watch_tls`]. Its ALPN is set by the watch.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Why no fetch node could ever be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrpcWatchError {
    /// There is none.
    #[error("signal needs the URL of at least one fetch node's private listener")]
    NoFetch,
    /// `https` without anybody to trust.
    #[error("{0} needs the certificate of the authority that fetch's certificate comes from")]
    NoTls(FetchUrl),
    /// A name that no certificate can have.
    #[error("{url} has a host that no certificate can name: {reason}")]
    Name {
        /// Which.
        url: FetchUrl,
        /// Why.
        reason: String,
    },
}

/// The private listener of one or several fetch nodes: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchUrl {
    is_https: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

/// A text that is no [`FetchUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fetch node's private listener is http://HOST:PORT or https://HOST:PORT, not {0:?}")]
pub struct InvalidFetchUrl(String);

impl FromStr for FetchUrl {
    type Err = InvalidFetchUrl;

    fn from_str(text: &str) -> Result<Self, InvalidFetchUrl> {
        let invalid = || InvalidFetchUrl(text.chars().take(256).collect());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?;
        let has_more = authority.as_str().contains('@') || uri.query().is_some();
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if has_more || host.is_empty() || uri.path() != "/" {
            return Err(invalid());
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => DEFAULT_PRIVATE_PORT,
            None => return Err(invalid()),
        };
        Ok(Self { is_https, host: host.to_owned(), port })
    }
}

impl fmt::Display for FetchUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_https, host, port } = self;
        let scheme = if *is_https { "https" } else { "http" };
        if host.contains(':') {
            write!(formatter, "{scheme}://[{host}]:{port}")
        } else {
            write!(formatter, "{scheme}://{host}:{port}")
        }
    }
}

/// Where fetch's private listener is, unless its operator says otherwise.
const DEFAULT_PRIVATE_PORT: u16 = 7490;

/// TLS towards fetch nodes whose certificates come from `authority`, in PEM; `certificates` are shown
/// to those that ask for one.
///
/// # Errors
///
/// [`TlsError`] when the authority is no PEM certificate, or none that can be an authority.
pub fn watch_tls(
    authority: &[u8],
    certificates: Option<Arc<Certificates>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| TlsError::Pem {
            what: "fetch authority",
            reason: error.to_string(),
        })?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        let reason = "it has no certificate in it".to_owned();
        return Err(TlsError::Pem { what: "fetch authority", reason });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    Ok(Arc::new(match certificates {
        None => builder.with_no_client_auth(),
        Some(certificates) => builder.with_client_cert_resolver(certificates),
    }))
}

/// One URL, and what is needed to open a stream there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: FetchUrl,
    pub(super) origin: Uri,
    pub(super) name: Option<NodeName>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl GrpcWatchConfig {
    pub(super) fn targets(self) -> Result<Vec<Arc<Target>>, GrpcWatchError> {
        if self.fetch.is_empty() {
            return Err(GrpcWatchError::NoFetch);
        }
        let authorization = self.secret.as_ref().and_then(authorization);
        let tls = self.tls.map(|tls| {
            let mut tls = Arc::unwrap_or_clone(tls);
            tls.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(tls)
        });
        let target = |url: FetchUrl| {
            let tls = match (url.is_https, &tls) {
                (false, _) => None,
                (true, None) => return Err(GrpcWatchError::NoTls(url)),
                (true, Some(tls)) => Some((Arc::clone(tls), url.server_name()?)),
            };
            let origin = url.to_string().parse().map_err(|error: http::uri::InvalidUri| {
                GrpcWatchError::Name { url: url.clone(), reason: error.to_string() }
            })?;
            let (name, authorization) = (self.name.clone(), authorization.clone());
            Ok(Arc::new(Target { url, origin, name, authorization, tls }))
        };
        self.fetch.into_iter().map(target).collect()
    }
}

impl FetchUrl {
    fn server_name(&self) -> Result<ServerName<'static>, GrpcWatchError> {
        self.host.clone().try_into().map_err(|error: InvalidDnsNameError| GrpcWatchError::Name {
            url: self.clone(),
            reason: error.to_string(),
        })
    }
}

impl Target {
    /// Every address its name has now.
    pub(super) async fn resolve(self: Arc<Self>) -> Result<Vec<SocketAddr>, String> {
        let FetchUrl { host, port, .. } = &self.url;
        match timeout(WATCH_RESOLVE_TIMEOUT, lookup_host((host.as_str(), *port))).await {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(format!("{}: cannot find {host}: {error}", self.url)),
            Err(_) => {
                Err(format!("{}: {host} was not found within {WATCH_RESOLVE_TIMEOUT:?}", self.url))
            }
        }
    }
}

fn authorization(secret: &WatchSecret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&secret.to_authorization()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_a_port() {
        let parse = |text: &str| text.parse::<FetchUrl>().map(|url| url.to_string());
        for (text, url) in [
            ("http://127.0.0.1:7490", "http://127.0.0.1:7490"),
            ("https://fetch.internal:1/", "https://fetch.internal:1"),
            ("http://fetch", "http://fetch:7490"),
            ("http://[::1]:7490", "http://[::1]:7490"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(url));
        }
        for text in [
            "",
            "fetch:7490",
            "7490",
            "ftp://fetch:1",
            "http://",
            "http://:7490",
            "http://fetch:99999",
            "http://fetch/path",
            "http://fetch?query",
            "http://me@fetch",
            "tcp://127.0.0.1:7490",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_configuration_that_reaches_nobody_is_refused() {
        let config = |urls: &[&str]| GrpcWatchConfig {
            fetch: urls.iter().map(|url| url.parse().unwrap()).collect(),
            name: None,
            secret: None,
            tls: None,
        };
        assert_eq!(config(&[]).targets().err(), Some(GrpcWatchError::NoFetch));
        let https = "https://fetch:1";
        let expected = GrpcWatchError::NoTls(https.parse().unwrap());
        assert_eq!(config(&["http://fetch:1", https]).targets().err(), Some(expected));
        assert_eq!(config(&["http://fetch:1"]).targets().map(|targets| targets.len()), Ok(1));
    }
}
