use std::{fmt, str::FromStr, sync::Arc};

use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::{Bus, InvalidNats, LocalBus, NatsOptions, RemoteBus};

/// Which bus.
#[derive(Clone, Default)]
pub enum BusConfig {
    /// That of the store: a database in Postgres carries it, and beside a folder there is one process.
    #[default]
    Store,
    /// LISTEN and NOTIFY over a connection of its own kind, for who reaches the store through a pooler that
    /// forgets who listens. It must lead to the store's database.
    Postgres(Box<PgConnectOptions>),
    /// NATS.
    Nats(NatsOptions),
}

/// What names no bus.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBus {
    /// Another kind of URL, or none.
    #[error(
        "there is no bus over {0:?}: write store, nats://HOST:4222, tls://HOST:4222 or postgres://.."
    )]
    Scheme(String),
    /// Not a URL of NATS.
    #[error(transparent)]
    Nats(#[from] InvalidNats),
    /// Not a URL of Postgres.
    #[error("the bus's postgres:// URL cannot be read: {0}")]
    Postgres(sqlx::Error),
}

impl BusConfig {
    /// The bus of a store, which may be in a Postgres database.
    ///
    /// Must be called within a Tokio runtime.
    #[must_use]
    pub fn open(&self, database: Option<PgConnectOptions>, store_id: Uuid) -> Arc<dyn Bus> {
        match (self, database) {
            (Self::Store, None) => Arc::new(LocalBus::default()),
            (Self::Store, Some(options)) => Arc::new(RemoteBus::postgres(options, store_id)),
            (Self::Postgres(options), _) => {
                Arc::new(RemoteBus::postgres((**options).clone(), store_id))
            }
            (Self::Nats(options), _) => Arc::new(RemoteBus::nats(options.clone(), store_id)),
        }
    }
}

impl FromStr for BusConfig {
    type Err = InvalidBus;

    /// Reads `store`, `nats://..` or `tls://..` (see [`NatsOptions`]), or `postgres://..`.
    fn from_str(text: &str) -> Result<Self, InvalidBus> {
        match text.split_once("://") {
            None if text == "store" => Ok(Self::Store),
            Some(("nats" | "tls", _)) => Ok(Self::Nats(text.parse()?)),
            Some(("postgres" | "postgresql", _)) => {
                let options = text.parse().map_err(InvalidBus::Postgres)?;
                Ok(Self::Postgres(Box::new(options)))
            }
            // What comes behind may have a password in it.
            Some((scheme, _)) => Err(InvalidBus::Scheme(format!("{scheme}://"))),
            None => Err(InvalidBus::Scheme(text.to_owned())),
        }
    }
}

impl fmt::Debug for BusConfig {
    /// Leaves the secrets out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => formatter.write_str("Store"),
            Self::Postgres(options) => write!(formatter, "Postgres({})", options.get_host()),
            Self::Nats(options) => formatter.debug_tuple("Nats").field(options).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_url_names_the_bus() {
        for (text, expected) in [
            ("store", "Store"),
            ("nats://nats:4222", "Nats("),
            ("tls://nats:4222,tls://nats-2:4222", "Nats("),
            ("postgres://ada:sesame@database/nudge", "Postgres(database)"),
        ] {
            let printed = format!("{:?}", text.parse::<BusConfig>().unwrap());
            assert!(printed.starts_with(expected) && !printed.contains("sesame"), "{printed}");
        }
    }

    #[test]
    fn what_names_no_bus_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("", "there is no bus over \"\": write store"),
            ("kafka://ada:sesame@kafka", "there is no bus over \"kafka://\": write store"),
            ("nats://", "is no URL of a NATS server"),
            ("postgres://database:port", "the bus's postgres:// URL cannot be read"),
        ] {
            let message = text.parse::<BusConfig>().unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("sesame"), "{message}");
        }
    }

    #[tokio::test]
    async fn the_bus_follows_the_store_unless_it_is_told_otherwise() {
        let database = || Some(PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(1));
        let nats: BusConfig = "nats://127.0.0.1:1".parse().unwrap();
        for (config, database, carrier) in [
            (BusConfig::Store, None, "local"),
            (BusConfig::Store, database(), "postgres"),
            ("postgres://127.0.0.1:1/nudge".parse().unwrap(), None, "postgres"),
            (nats.clone(), None, "nats"),
            (nats, database(), "nats"),
        ] {
            let bus = config.open(database, Uuid::nil());
            assert_eq!(bus.status().carrier, carrier, "{config:?}");
            bus.close().await;
        }
    }
}
