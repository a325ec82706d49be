//! What the operator decides.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use nudge_proto::{limits, watch::WatchSecret};

use crate::{
    auth::AdminToken,
    bus::BusConfig,
    limits::WATCH_MOVE_TIME,
    media::redirect::RedirectRules,
    objects::ObjectsConfig,
    store::{Database, MediaQuota, Retention, SQLITE_FILE},
};

/// Everything the content service is told at its start.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// The database and the objects live here.
    pub data_dir: PathBuf,
    /// Where everything but the media is kept.
    pub database: Database,
    /// Where the bytes of media lie.
    pub objects: ObjectsConfig,
    /// Which downloads go to the object store itself; without it none.
    pub redirect: Option<RedirectConfig>,
    /// How this node tells the others what moved.
    pub bus: BusConfig,
    /// Where the API listens.
    pub public: SocketAddr,
    /// Where the watch, health and metrics listen; loopback, unless the operator says otherwise.
    pub private: SocketAddr,
    /// That listener speaks TLS; see [`private_tls`](crate::private_tls). Its ALPN is set by the service.
    pub private_tls: Option<Arc<rustls::ServerConfig>>,
    /// Who may open a watch there.
    pub watch_guard: WatchGuard,
    /// Signal nodes get this time to go to another node when this one stops.
    pub move_time: Duration,
    /// The API speaks TLS; its ALPN is set by the service.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What `nudge admin` must show on the private listener; without one it is refused.
    pub admin_token: Option<AdminToken>,
    /// Who may register.
    pub registration: Registration,
    /// How long things are kept.
    pub retention: Retention,
    /// What one user may have.
    pub quota: MediaQuota,
    /// The largest medium, in bytes.
    pub upload_bytes_max: u64,
    /// Web origins that may call the API; `*` for all.
    pub cors_origins: Vec<String>,
    /// What `/.well-known/nudge` says of this system.
    pub discovery: DiscoveryConfig,
    /// Every held device is looked up again once in this time.
    pub heartbeat: Duration,
}

/// Which downloads go to the object store itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectConfig {
    /// Who is redirected.
    pub rules: RedirectRules,
    /// The object store's endpoint as clients know it, if it is another one than this node's.
    pub endpoint: Option<String>,
}

/// Who may open a watch. Without any condition the private listener must be on loopback.
#[derive(Clone, Debug, Default)]
pub struct WatchGuard {
    /// One of these has to be shown, if there are any: two, while one replaces the other.
    pub secrets: Vec<WatchSecret>,
    /// A certificate of the private listener's client authority has to be shown.
    pub certificate: bool,
}

impl WatchGuard {
    /// Whether everybody may.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.secrets.is_empty() && !self.certificate
    }
}

/// Who may register.
#[derive(Clone, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who knows one of these codes.
    Invite(Vec<String>),
    /// Nobody.
    Closed,
}

impl std::fmt::Debug for Registration {
    /// Leaves the codes out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Open => "Open",
            Self::Invite(_) => "Invite",
            Self::Closed => "Closed",
        })
    }
}

/// What clients are told about where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Base URLs of the API; empty means where the answer came from.
    pub fetch: Vec<String>,
    /// (kind, "host:port") of every signal listener; an empty host means where the answer came from.
    pub transports: Vec<(String, String)>,
}

impl FetchConfig {
    /// The defaults, on free ports of the loopback interface.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data_dir,
            database: Database::default(),
            objects: ObjectsConfig::default(),
            redirect: None,
            bus: BusConfig::default(),
            public: loopback,
            private: loopback,
            private_tls: None,
            watch_guard: WatchGuard::default(),
            move_time: WATCH_MOVE_TIME,
            tls: None,
            admin_token: None,
            registration: Registration::Open,
            retention: Retention {
                history_days: Some(30),
                until_acked: false,
                media_days: Some(30),
            },
            quota: MediaQuota { bytes: 10 << 30, unfinished: 100 },
            upload_bytes_max: 4 << 30,
            cors_origins: Vec::new(),
            discovery: DiscoveryConfig { fetch: Vec::new(), transports: Vec::new() },
            heartbeat: limits::HEARTBEAT_DEFAULT,
        }
    }

    /// The database's file, if it has one.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        self.data_dir.join(SQLITE_FILE)
    }

    /// The folder of the media, unless they lie elsewhere.
    #[must_use]
    pub fn objects_path(&self) -> PathBuf {
        self.data_dir.join("objects")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_printed_configuration_has_no_invite_codes() {
        let registration = Registration::Invite(vec!["open sesame".to_owned()]);
        let config = FetchConfig { registration, ..FetchConfig::new(PathBuf::new()) };
        let printed = format!("{config:?}");
        assert!(printed.contains("Invite") && !printed.contains("sesame"), "{printed}");
    }
}
