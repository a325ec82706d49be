use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use nudge_fetch::{FetchConfig, config::WatchGuard, private_tls};
use nudge_proto::watch::WatchSecret;
use nudge_signal::{FetchUrl, GrpcWatchConfig, watch_tls};

use super::secret::{read_file, secret};
use crate::{certificate::Certificate, failure::Failure, machine, tls::TlsSource};

/// How a fetch node knows its signal nodes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Watch")]
pub(crate) struct WatchDoor {
    /// What signal nodes have to show; the new and the old one with a comma between while it changes
    #[arg(long, env = "NUDGE_WATCH_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub(crate) watch_secret: Option<String>,
    /// File that the watch secret is in, to keep it from the command line
    #[arg(long, env = "NUDGE_WATCH_SECRET_FILE", value_name = "FILE")]
    pub(crate) watch_secret_file: Option<PathBuf>,
    /// Certificate of the private listener, "CERT.pem,KEY.pem" [default: it speaks no TLS]
    #[arg(long, env = "NUDGE_PRIVATE_TLS", value_name = "FILES")]
    pub(crate) private_tls: Option<String>,
    /// File with the authority whose certificates signal nodes have to show
    #[arg(long, env = "NUDGE_WATCH_CLIENT_CA", value_name = "FILE")]
    pub(crate) watch_client_ca: Option<PathBuf>,
}

/// How a signal node reaches the fetch nodes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Watch")]
pub(crate) struct WatchCall {
    /// Private listener of the fetch nodes, http://HOST:7490 or https://..; several with commas between,
    /// or one name that has several addresses
    #[arg(long, env = "NUDGE_FETCH", value_name = "URL", value_delimiter = ',')]
    pub(crate) fetch: Vec<String>,
    /// What `nudge admin` on the fetch nodes calls this node [default: HOST:PORT of its devices' listener]
    #[arg(long, env = "NUDGE_NODE_NAME", value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// What is shown to the fetch nodes
    #[arg(long, env = "NUDGE_WATCH_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub(crate) watch_secret: Option<String>,
    /// File that the watch secret is in, to keep it from the command line
    #[arg(long, env = "NUDGE_WATCH_SECRET_FILE", value_name = "FILE")]
    pub(crate) watch_secret_file: Option<PathBuf>,
    /// File with the authority that the fetch nodes' certificates come from, for https
    #[arg(long, env = "NUDGE_WATCH_CA", value_name = "FILE")]
    pub(crate) watch_ca: Option<PathBuf>,
    /// Certificate that is shown to the fetch nodes, "CERT.pem,KEY.pem"
    #[arg(long, env = "NUDGE_WATCH_TLS", value_name = "FILES")]
    pub(crate) watch_tls: Option<String>,
}

impl WatchDoor {
    /// Whether the private listener speaks TLS.
    pub(super) const fn has_tls(&self) -> bool {
        self.private_tls.is_some()
    }

    /// Fills in who may open a watch; the private listener's certificate.
    pub(super) fn fill(self, config: &mut FetchConfig) -> Result<Option<Certificate>, Failure> {
        let shown = secret("watch-secret", self.watch_secret, self.watch_secret_file.as_deref())?;
        let secrets = shown.iter().flat_map(|shown| shown.split(','));
        let secrets = secrets.map(one_secret).collect::<Result<Vec<_>, _>>()?;
        config.watch_guard = WatchGuard { secrets, certificate: self.watch_client_ca.is_some() };
        let authority = self.watch_client_ca.as_deref().map(read_file).transpose()?;
        let certificate = load("private-tls", self.private_tls.as_deref())?;
        if let Some(certificate) = &certificate {
            let tls = private_tls(certificate.in_use() as _, authority.as_deref());
            config.private_tls = Some(tls.map_err(Failure::configuration)?);
        }
        Ok(certificate)
    }
}

impl WatchCall {
    /// Where the fetch nodes are, and what is shown to them; the certificate that is.
    ///
    /// `devices` is where devices connect to this node.
    pub(super) fn config(
        self,
        devices: SocketAddr,
    ) -> Result<(GrpcWatchConfig, Option<Certificate>), Failure> {
        let name = match &self.node_name {
            None => machine::host_name(devices.port()).parse().ok(),
            Some(name) => {
                let wrong = |error| Failure::configuration(format!("--node-name: {error}"));
                Some(name.parse().map_err(wrong)?)
            }
        };
        let fetch = self.fetch.iter().map(|url| {
            let wrong = |error| Failure::configuration(format!("--fetch: {error}"));
            url.parse::<FetchUrl>().map_err(wrong)
        });
        let fetch = fetch.collect::<Result<Vec<_>, _>>()?;
        if fetch.is_empty() {
            return Err(Failure::configuration(
                "--fetch is missing: name the private listener of a fetch node, http://HOST:7490",
            ));
        }
        let shown = secret("watch-secret", self.watch_secret, self.watch_secret_file.as_deref())?;
        let own = load("watch-tls", self.watch_tls.as_deref())?;
        let tls = match (self.watch_ca, &own) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Failure::configuration(
                    "--watch-tls needs --watch-ca: a certificate is shown over https alone",
                ));
            }
            (Some(authority), own) => {
                let tls = watch_tls(&read_file(&authority)?, own.as_ref().map(Certificate::in_use));
                let wrong = |error| {
                    Failure::configuration(format!("--watch-ca {}: {error}", authority.display()))
                };
                Some(tls.map_err(wrong)?)
            }
        };
        let secret = shown.as_deref().map(one_secret).transpose()?;
        Ok((GrpcWatchConfig { fetch, name, secret, tls }, own))
    }
}

fn load(name: &str, files: Option<&str>) -> Result<Option<Certificate>, Failure> {
    let load = |files| Certificate::load(TlsSource::files(name, files)?);
    files.map(load).transpose()
}

fn one_secret(text: &str) -> Result<WatchSecret, Failure> {
    text.parse().map_err(|error| Failure::configuration(format!("--watch-secret: {error}")))
}
