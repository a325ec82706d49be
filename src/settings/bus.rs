use std::path::PathBuf;

use clap::Args;
use nudge_fetch::{
    FetchConfig,
    bus::{BusConfig, InvalidNats, NatsOptions},
};

use super::secret::secret;
use crate::{failure::Failure, tls::TlsSource};

/// What nodes tell each other over.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Bus")]
pub(crate) struct BusSettings {
    /// What nodes tell each other over: "store" follows the database, nats://HOST:4222 or tls://HOST:4222
    /// (several with commas between, with USER:PASSWORD@ or TOKEN@), or postgres://.. beside a pooler
    /// [default: store]
    #[arg(long, env = "NUDGE_BUS", value_name = "URL", hide_env_values = true)]
    pub(crate) bus: Option<String>,
    /// File that the bus's URL is in, to keep its password from the command line
    #[arg(long, env = "NUDGE_BUS_FILE", value_name = "FILE")]
    pub(crate) bus_file: Option<PathBuf>,
    /// NATS: file of a JWT and its seed as nsc writes it (.creds), or of an nkey's seed
    #[arg(long, env = "NUDGE_BUS_CREDENTIALS", value_name = "FILE")]
    pub(crate) bus_credentials: Option<PathBuf>,
    /// NATS: file with the authority that the servers' certificates come from [default: the system's]
    #[arg(long, env = "NUDGE_BUS_CA", value_name = "FILE")]
    pub(crate) bus_ca: Option<PathBuf>,
    /// NATS: certificate that is shown to the servers, "CERT.pem,KEY.pem"
    #[arg(long, env = "NUDGE_BUS_TLS", value_name = "FILES")]
    pub(crate) bus_tls: Option<String>,
}

impl BusSettings {
    /// Fills in how nodes tell each other. What stands in files is checked now; what a server says of it only
    /// once the node runs, for it runs without a bus, too.
    pub(super) fn fill(self, config: &mut FetchConfig) -> Result<(), Failure> {
        let url = secret("bus", self.bus.clone(), self.bus_file.as_deref())?;
        if let Some(url) = url {
            let wrong = |error| Failure::configuration(format!("--bus: {error}"));
            config.bus = url.parse().map_err(wrong)?;
        }
        match (&config.bus, self.nats_only()) {
            (BusConfig::Nats(nats), _) => {
                config.bus = BusConfig::Nats(self.with_files(nats.clone())?);
                Ok(())
            }
            (BusConfig::Store | BusConfig::Postgres(_), Some(setting)) => {
                Err(Failure::configuration(format!(
                    "--{setting} is of NATS alone, and --bus names none: write --bus tls://HOST:4222"
                )))
            }
            (BusConfig::Store | BusConfig::Postgres(_), None) => Ok(()),
        }
    }

    /// A setting that means nothing without NATS.
    fn nats_only(&self) -> Option<&'static str> {
        let given = [
            ("bus-credentials", self.bus_credentials.is_some()),
            ("bus-ca", self.bus_ca.is_some()),
            ("bus-tls", self.bus_tls.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    fn with_files(self, mut nats: NatsOptions) -> Result<NatsOptions, Failure> {
        let wrong = |setting: &'static str| {
            move |error: InvalidNats| Failure::configuration(format!("--{setting}: {error}"))
        };
        if let Some(file) = self.bus_credentials {
            nats = nats.credentials(file).map_err(wrong("bus-credentials"))?;
        }
        if let Some(file) = self.bus_ca {
            nats = nats.authorities(file).map_err(wrong("bus-ca"))?;
        }
        if let Some(files) = self.bus_tls {
            let source = TlsSource::files("bus-tls", &files)?;
            // One that has expired is found here.
            source.load()?;
            let (certificate, key) = source.into_files();
            nats = nats.certificate(certificate, key).map_err(wrong("bus-tls"))?;
        }
        Ok(nats)
    }
}
