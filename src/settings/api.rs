use clap::{Args, ValueEnum};
use nudge_fetch::{FetchConfig, config::Registration, store::MediaQuota};

use crate::failure::Failure;

/// What the API does, and tells of the system.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub(crate) struct ApiSettings {
    /// Who may register
    #[arg(long, env = "NUDGE_REGISTRATION", default_value = "open")]
    pub(crate) registration: RegistrationChoice,
    /// A code that lets people register when registration is "invite"; may be given several times
    #[arg(
        long = "invite",
        env = "NUDGE_INVITES",
        value_name = "CODE",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) invites: Vec<String>,
    /// Days that messages are kept; 0 keeps them for ever
    #[arg(long, env = "NUDGE_HISTORY_DAYS", value_name = "DAYS", default_value_t = 30)]
    pub(crate) history_days: u32,
    /// Remove an inbox entry once every active device has it
    #[arg(long, env = "NUDGE_UNTIL_ACKED", num_args = 0..=1, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) until_acked: bool,
    /// Days that media are kept after the last message naming them; 0 keeps them for ever
    #[arg(long, env = "NUDGE_MEDIA_DAYS", value_name = "DAYS", default_value_t = 30)]
    pub(crate) media_days: u32,
    /// MiB that one medium has at most
    #[arg(long, env = "NUDGE_MEDIUM_MIB", value_name = "MIB", default_value_t = 4096,
        value_parser = clap::value_parser!(u64).range(1..=MIB_MAX))]
    pub(crate) medium_mib: u64,
    /// MiB of media and uploads that one user has at most
    #[arg(long, env = "NUDGE_QUOTA_MIB", value_name = "MIB", default_value_t = 10_240,
        value_parser = clap::value_parser!(u64).range(1..=MIB_MAX))]
    pub(crate) quota_mib: u64,
    /// Unfinished uploads that one user has at most
    #[arg(long, env = "NUDGE_QUOTA_UPLOADS", value_name = "COUNT", default_value_t = 100)]
    pub(crate) quota_uploads: u32,
    /// Web origin that may call the API, "*" for all; may be given several times [default: none]
    #[arg(
        long = "cors-origin",
        env = "NUDGE_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) cors_origins: Vec<String>,
    /// Base URL of the API that clients are told, when something stands in front; may be given several
    /// times [default: the one that they used]
    #[arg(long, env = "NUDGE_ADVERTISE_FETCH", value_name = "URL", value_delimiter = ',')]
    pub(crate) advertise_fetch: Vec<String>,
    /// Where clients are told to keep their signaling connection, tcp://HOST:PORT or tls://HOST:PORT; may
    /// be given several times [default: port 7400 of the host that they used]
    #[arg(long, env = "NUDGE_ADVERTISE_SIGNAL", value_name = "URL", value_delimiter = ',')]
    pub(crate) advertise_signal: Vec<String>,
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegistrationChoice {
    /// Everybody
    Open,
    /// Who knows a code given with --invite
    Invite,
    /// Nobody
    Closed,
}

impl ApiSettings {
    /// Fills in what the API does.
    pub(super) fn fill(self, config: &mut FetchConfig) -> Result<(), Failure> {
        config.registration = match self.registration {
            RegistrationChoice::Open => Registration::Open,
            RegistrationChoice::Closed => Registration::Closed,
            RegistrationChoice::Invite => Registration::Invite(self.invites),
        };
        let some = |days: u32| (days > 0).then_some(days);
        config.retention.history_days = some(self.history_days);
        config.retention.until_acked = self.until_acked;
        config.retention.media_days = some(self.media_days);
        config.upload_bytes_max = self.medium_mib << 20;
        config.quota =
            MediaQuota { bytes: self.quota_mib << 20, unfinished: self.quota_uploads as usize };
        config.cors_origins = self.cors_origins;
        for url in &self.advertise_fetch {
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                return Err(Failure::configuration(format!(
                    "--advertise-fetch is http://HOST or https://HOST, not {url:?}"
                )));
            }
        }
        let bases = self.advertise_fetch.iter().map(|url| url.trim_end_matches('/').to_owned());
        config.discovery.fetch = bases.collect();
        config.discovery.transports =
            self.advertise_signal.iter().map(|url| transport(url)).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// Kind and address.
fn transport(url: &str) -> Result<(String, String), Failure> {
    let is_address = |address: &str| {
        address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    match url.split_once("://") {
        Some((kind @ ("tcp" | "tls"), address)) if is_address(address) => {
            Ok((kind.to_owned(), address.to_owned()))
        }
        _ => Err(Failure::configuration(format!(
            "--advertise-signal is tcp://HOST:PORT or tls://HOST:PORT, not {url:?}"
        ))),
    }
}

/// An EiB, far below what a number of bytes may be in a database.
const MIB_MAX: u64 = 1 << 40;
