use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use nudge_fetch::auth::AdminToken;

use super::secret::{read_file, secret};
use crate::{
    certificate::Certificate,
    failure::Failure,
    tls::{TlsSource, write_private},
};

/// Where devices keep their connection.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct DeviceListener {
    /// Where devices keep their signaling connection
    #[arg(long, env = "NUDGE_SIGNAL", value_name = "ADDR:PORT", default_value_t = loopback(7400))]
    pub(crate) signal: SocketAddr,
}

/// Where the API and the operator's listener are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct PrivateListener {
    /// Where the HTTP API listens
    #[arg(long, env = "NUDGE_FETCH", value_name = "ADDR:PORT", default_value_t = loopback(7480))]
    pub(crate) fetch: SocketAddr,
    /// Where health, metrics, `nudge admin` and the signal nodes' watch are served
    #[arg(long, env = "NUDGE_PRIVATE", value_name = "ADDR:PORT", default_value_t = loopback(7490))]
    pub(crate) private: SocketAddr,
    /// What `nudge admin` has to show [default: what stands in DATA_DIR/admin-token, made at first start]
    #[arg(long, env = "NUDGE_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// File that the admin token is in, to keep it from the command line
    #[arg(long, env = "NUDGE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
}

/// The operator's listener of a signal node.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct SignalOperator {
    /// Where health and metrics are served
    #[arg(long, env = "NUDGE_PRIVATE", value_name = "ADDR:PORT", default_value_t = loopback(7491))]
    pub(crate) private: SocketAddr,
}

/// What all public listeners have in common.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct PublicListeners {
    /// Certificate for the public listeners: "self-signed" makes one for development in the data folder,
    /// "CERT.pem,KEY.pem" reads files, again on SIGHUP
    #[arg(long, env = "NUDGE_TLS", value_name = "SOURCE")]
    pub(crate) tls: Option<String>,
    /// Allow public listeners without TLS on other addresses than loopback: something in front speaks TLS
    #[arg(long, env = "NUDGE_INSECURE", num_args = 0..=1, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) insecure: bool,
    /// Allow the private listener without TLS on another address than loopback: watch secret, admin token and the
    /// keys of all tickets travel in the clear on that network
    #[arg(long, env = "NUDGE_INSECURE_PRIVATE", num_args = 0..=1, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) insecure_private: bool,
    /// Seconds between a device's pings, 30 to 600
    #[arg(long, env = "NUDGE_HEARTBEAT_S", value_name = "SECONDS", default_value_t = 240)]
    pub(crate) heartbeat_s: u32,
}

impl PublicListeners {
    /// Refuses what would travel in the clear without anybody having said so.
    pub(super) fn check_public(&self, listeners: &[(&str, SocketAddr)]) -> Result<(), Failure> {
        if self.insecure || self.tls.is_some() {
            return Ok(());
        }
        let way = "--tls, or --insecure when something in front speaks TLS";
        check_loopback(listeners, way)
    }

    /// The same for a private listener that speaks no TLS; `otherwise` is what could be done instead.
    pub(super) fn check_private(
        &self,
        private: SocketAddr,
        otherwise: &str,
    ) -> Result<(), Failure> {
        if self.insecure_private {
            return Ok(());
        }
        let way = format!("{otherwise}--insecure-private on a network that nobody else reads");
        check_loopback(&[("private", private)], &way)
    }

    pub(super) fn heartbeat(&self) -> Result<Duration, Failure> {
        let (min, max) = (nudge_proto::limits::HEARTBEAT_MIN, nudge_proto::limits::HEARTBEAT_MAX);
        let heartbeat = Duration::from_secs(self.heartbeat_s.into());
        if heartbeat < min || heartbeat > max {
            return Err(Failure::configuration(format!(
                "--heartbeat-s has {} to {} seconds, not {}",
                min.as_secs(),
                max.as_secs(),
                self.heartbeat_s
            )));
        }
        Ok(heartbeat)
    }

    /// Reads the certificate, making one where that is asked for.
    pub(super) fn certificate(&self, data_dir: &Path) -> Result<Option<Certificate>, Failure> {
        let load = |source: &String| Certificate::load(TlsSource::parse(source, data_dir)?);
        self.tls.as_ref().map(load).transpose()
    }
}

impl PrivateListener {
    /// What was configured, what stands in the data folder, or a new one that is put there.
    pub(super) fn admin_token(&self, data_dir: &Path) -> Result<AdminToken, Failure> {
        let file = self.admin_token_file.as_deref();
        if let Some(token) = secret("admin-token", self.admin_token.clone(), file)? {
            return AdminToken::new(token).map_err(Failure::configuration);
        }
        let path = data_dir.join(ADMIN_TOKEN_FILE);
        if path.exists() {
            let token = String::from_utf8_lossy(&read_file(&path)?).trim().to_owned();
            let wrong = |error| Failure::configuration(format!("{}: {error}", path.display()));
            return AdminToken::new(token).map_err(wrong);
        }
        let token = AdminToken::random();
        nudge_fetch::durable::make_directory(data_dir).map_err(|error| {
            Failure::configuration(format!("cannot make {}: {error}", data_dir.display()))
        })?;
        write_private(&path, token.reveal())?;
        Ok(token)
    }
}

/// The admin token's file in the data folder.
pub(crate) const ADMIN_TOKEN_FILE: &str = "admin-token";

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn check_loopback(listeners: &[(&str, SocketAddr)], way: &str) -> Result<(), Failure> {
    let open = listeners.iter().find(|(_, address)| !address.ip().is_loopback());
    match open {
        None => Ok(()),
        Some((name, address)) => Err(Failure::configuration(format!(
            "--{name} {address} is not loopback, and everything would travel in the clear: add {way}"
        ))),
    }
}
