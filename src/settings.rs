//! What the operator decides: flags, then `NUDGE_*` variables, then the configuration file, then the
//! defaults, in this order of strength.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use nudge_fetch::{
    FetchConfig,
    config::{DiscoveryConfig, Registration},
    store::{
        Database,
        sqlite::{SqliteOptions, Synchronous},
    },
};
use serde::Deserialize;

use crate::{failure::Failure, tls::TlsSource};

/// One layer of settings: absent ones are left to the next.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Folder of the database and the media; made when it does not exist [default: ./nudge-data]
    #[arg(long, env = "NUDGE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where devices keep their signaling connection [default: 127.0.0.1:7400]
    #[arg(long, env = "NUDGE_SIGNAL", value_name = "ADDR:PORT")]
    pub(crate) signal: Option<SocketAddr>,
    /// Where the HTTP API listens [default: 127.0.0.1:7480]
    #[arg(long, env = "NUDGE_FETCH", value_name = "ADDR:PORT")]
    pub(crate) fetch: Option<SocketAddr>,
    /// Where health is told to the operator alone [default: 127.0.0.1:7490]
    #[arg(long, env = "NUDGE_PRIVATE", value_name = "ADDR:PORT")]
    pub(crate) private: Option<SocketAddr>,
    /// Certificate for both listeners: "self-signed" makes one for development in the data folder,
    /// "CERT.pem,KEY.pem" reads files, again on SIGHUP
    #[arg(long, env = "NUDGE_TLS", value_name = "SOURCE")]
    pub(crate) tls: Option<String>,
    /// Allow listening without TLS on other addresses than loopback
    #[arg(long, env = "NUDGE_INSECURE", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure: Option<bool>,
    /// Who may register [default: open]
    #[arg(long, env = "NUDGE_REGISTRATION")]
    pub(crate) registration: Option<RegistrationChoice>,
    /// A code that lets people register when registration is "invite"; may be given several times
    #[arg(long = "invite", env = "NUDGE_INVITES", value_name = "CODE", value_delimiter = ',')]
    pub(crate) invites: Option<Vec<String>>,
    /// Days that messages are kept; 0 keeps them for ever [default: 30]
    #[arg(long, env = "NUDGE_HISTORY_DAYS", value_name = "DAYS")]
    pub(crate) history_days: Option<u32>,
    /// Remove an inbox entry once every active device has it [default: false]
    #[arg(long, env = "NUDGE_UNTIL_ACKED", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) until_acked: Option<bool>,
    /// Days that media are kept after the last message naming them; 0 keeps them for ever [default: 30]
    #[arg(long, env = "NUDGE_MEDIA_DAYS", value_name = "DAYS")]
    pub(crate) media_days: Option<u32>,
    /// Seconds between a device's pings, 30 to 600 [default: 240]
    #[arg(long, env = "NUDGE_HEARTBEAT_S", value_name = "SECONDS")]
    pub(crate) heartbeat_s: Option<u32>,
    /// What a commit waits for before it is answered [default: full]
    #[arg(long, env = "NUDGE_SQLITE_SYNCHRONOUS")]
    pub(crate) sqlite_synchronous: Option<SynchronousChoice>,
    /// Start although messages that were answered as sent can be lost with the power. For tests alone
    #[arg(long, env = "NUDGE_ALLOW_UNSAFE_DURABILITY", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) allow_unsafe_durability: Option<bool>,
    /// Web origin that may call the API, "*" for all; may be given several times [default: none]
    #[arg(
        long = "cors-origin",
        env = "NUDGE_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) cors_origins: Option<Vec<String>>,
}

/// Who may register.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegistrationChoice {
    /// Everybody
    Open,
    /// Who knows a code given with --invite
    Invite,
    /// Nobody
    Closed,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SynchronousChoice {
    /// The disk
    Full,
    /// Nothing: refused without --allow-unsafe-durability
    Off,
}

/// Settings with every question answered.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// For the content service; its discovery is filled in once the listeners stand.
    pub(crate) fetch: FetchConfig,
    /// Where signaling listens.
    pub(crate) signal: SocketAddr,
    /// Which certificate, if any.
    pub(crate) tls: Option<TlsSource>,
}

impl Settings {
    /// Fills in from the configuration file what flags and environment left open.
    pub(crate) fn with_file(self, path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(self);
        };
        let bad = |error: config::ConfigError| {
            Failure::configuration(format!("cannot use {}: {error}", path.display()))
        };
        let file = config::File::from(path).format(config::FileFormat::Toml);
        let read = config::Config::builder().add_source(file).build().map_err(bad)?;
        Ok(self.or(read.try_deserialize().map_err(bad)?))
    }

    /// Where the data is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("nudge-data"))
    }

    /// Answers every question, or says what is wrong.
    pub(crate) fn resolve(self) -> Result<Resolved, Failure> {
        let data_dir = self.data_dir();
        let mut fetch = FetchConfig::new(data_dir.clone());
        fetch.public = self.fetch.unwrap_or(loopback(7480));
        fetch.private = self.private.unwrap_or(loopback(7490));
        let signal = self.signal.unwrap_or(loopback(nudge_signal::DEFAULT_PORT));
        if !self.insecure.unwrap_or(false) {
            // Health and metrics never speak TLS.
            check_loopback(
                &[("private", fetch.private)],
                "--insecure when nobody else reaches it",
            )?;
        }
        if self.tls.is_none() && !self.insecure.unwrap_or(false) {
            let way = "--tls, or --insecure when something in front speaks TLS";
            check_loopback(&[("signal", signal), ("fetch", fetch.public)], way)?;
        }
        fetch.registration = match self.registration.unwrap_or(RegistrationChoice::Open) {
            RegistrationChoice::Open => Registration::Open,
            RegistrationChoice::Closed => Registration::Closed,
            RegistrationChoice::Invite => Registration::Invite(self.invites.unwrap_or_default()),
        };
        let days = self.history_days.unwrap_or(30);
        fetch.retention.history_days = (days > 0).then_some(days);
        fetch.retention.until_acked = self.until_acked.unwrap_or(false);
        let days = self.media_days.unwrap_or(30);
        fetch.retention.media_days = (days > 0).then_some(days);
        if let Some(heartbeat_s) = self.heartbeat_s {
            fetch.heartbeat = check_heartbeat(heartbeat_s)?;
        }
        fetch.database = Database::Sqlite(SqliteOptions {
            synchronous: match self.sqlite_synchronous.unwrap_or(SynchronousChoice::Full) {
                SynchronousChoice::Full => Synchronous::Full,
                SynchronousChoice::Off => Synchronous::Off,
            },
            allow_unsafe_durability: self.allow_unsafe_durability.unwrap_or(false),
            ..SqliteOptions::default()
        });
        fetch.cors_origins = self.cors_origins.unwrap_or_default();
        fetch.discovery = DiscoveryConfig { fetch: Vec::new(), transports: Vec::new() };
        // Last: it may make a certificate, and what is refused leaves nothing behind.
        let tls = self.tls.map(|source| TlsSource::parse(&source, &data_dir)).transpose()?;
        Ok(Resolved { fetch, signal, tls })
    }

    fn or(self, weaker: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(weaker.data_dir),
            signal: self.signal.or(weaker.signal),
            fetch: self.fetch.or(weaker.fetch),
            private: self.private.or(weaker.private),
            tls: self.tls.or(weaker.tls),
            insecure: self.insecure.or(weaker.insecure),
            registration: self.registration.or(weaker.registration),
            invites: self.invites.or(weaker.invites),
            history_days: self.history_days.or(weaker.history_days),
            until_acked: self.until_acked.or(weaker.until_acked),
            media_days: self.media_days.or(weaker.media_days),
            heartbeat_s: self.heartbeat_s.or(weaker.heartbeat_s),
            sqlite_synchronous: self.sqlite_synchronous.or(weaker.sqlite_synchronous),
            allow_unsafe_durability: self
                .allow_unsafe_durability
                .or(weaker.allow_unsafe_durability),
            cors_origins: self.cors_origins.or(weaker.cors_origins),
        }
    }
}

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

fn check_heartbeat(heartbeat_s: u32) -> Result<Duration, Failure> {
    let (min, max) = (nudge_proto::limits::HEARTBEAT_MIN, nudge_proto::limits::HEARTBEAT_MAX);
    let heartbeat = Duration::from_secs(heartbeat_s.into());
    if heartbeat < min || heartbeat > max {
        return Err(Failure::configuration(format!(
            "--heartbeat-s has {} to {} seconds, not {heartbeat_s}",
            min.as_secs(),
            max.as_secs()
        )));
    }
    Ok(heartbeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_stronger_than_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nudge.toml");
        std::fs::write(&path, "history_days = 7\nmedia_days = 8\nregistration = \"closed\"\n")
            .unwrap();
        let flags = Settings { history_days: Some(1), ..Settings::default() };
        let resolved = flags.with_file(Some(&path)).unwrap().resolve().unwrap();
        assert_eq!(resolved.fetch.retention.history_days, Some(1));
        assert_eq!(resolved.fetch.retention.media_days, Some(8));
        assert_eq!(resolved.fetch.registration, Registration::Closed);
    }

    #[test]
    fn no_days_mean_for_ever() {
        let kept = Settings { history_days: Some(0), media_days: Some(0), ..Settings::default() };
        let retention = kept.resolve().unwrap().fetch.retention;
        assert_eq!((retention.history_days, retention.media_days), (None, None));
    }

    #[test]
    fn a_misspelt_setting_in_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nudge.toml");
        std::fs::write(&path, "histroy_days = 7\n").unwrap();
        let failure = Settings::default().with_file(Some(&path)).unwrap_err();
        assert!(failure.to_string().contains("histroy_days"), "{failure}");
    }

    #[test]
    fn the_private_listener_stays_on_loopback_with_or_without_tls() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let open = Settings {
            data_dir: Some(data_dir.clone()),
            private: Some(SocketAddr::from(([0, 0, 0, 0], 7490))),
            tls: Some("self-signed".to_owned()),
            ..Settings::default()
        };
        let failure = open.clone().resolve().unwrap_err();
        assert!(failure.to_string().contains("--private"), "{failure}");
        assert!(!data_dir.exists(), "what is refused leaves nothing behind");
        assert!(Settings { insecure: Some(true), ..open }.resolve().is_ok());
    }

    #[test]
    fn plain_text_stays_on_loopback_unless_it_is_allowed() {
        let open = Settings {
            signal: Some(SocketAddr::from(([0, 0, 0, 0], 7400))),
            ..Settings::default()
        };
        let failure = open.clone().resolve().unwrap_err();
        assert!(failure.to_string().contains("--insecure"), "{failure}");
        let allowed = Settings { insecure: Some(true), ..open };
        assert!(allowed.resolve().is_ok());
    }
}
