use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::OpenError;

/// How the database is reached and used.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with `sslmode=verify-full` and `sslrootcert=FILE` for TLS
    /// that is checked.
    pub url: String,
    /// Connections of this node for everything but sends and acks.
    pub connections: u32,
    /// Lanes that commit sends, each with a connection of its own: a conversation's sends share a lane. Acks have
    /// half as many, rounded up, besides.
    pub writers: u32,
    /// The server gives up a statement after this time.
    pub statement_timeout: Duration,
    /// The server gives up waiting for a lock after this time.
    pub lock_timeout: Duration,
    /// The server ends a transaction that is silent for this time, and its locks with it.
    pub idle_in_transaction_timeout: Duration,
    /// Starts although a commit that was answered might be lost.
    pub allow_unsafe_durability: bool,
    /// What a change of the server means.
    pub failover: Failover,
    /// When a message comes into the inboxes.
    pub fan_out: FanOut,
}

/// What it means that the database is served by another server, or by another history of it, than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// Commits may have been lost, and numbers may be given a second time: a new epoch begins.
    Epoch,
    /// The standby had every commit that was answered: the epoch stays.
    Synchronous,
}

/// What is wrong with [`Failover::Synchronous`] without a standby.
pub const NO_STANDBY: &str = "failover is \"synchronous\", but the server's synchronous_standby_names is empty: a \
     failover now would lose messages, and no app would notice; name a standby, or set failover = \"epoch\"";

/// When a message comes into the inboxes of its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanOut {
    /// With its commit: one server has all inboxes.
    WithCommit,
    /// In a transaction of its own, by a row that outlives a crash: inboxes are distributed over servers.
    AfterCommit,
}

impl PostgresOptions {
    /// The defaults for a database.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self {
            url,
            connections: 16,
            writers: 4,
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(10),
            allow_unsafe_durability: false,
            failover: Failover::Epoch,
            fan_out: FanOut::WithCommit,
        }
    }

    /// What every connection is made with.
    pub(in crate::store) fn connect_options(&self) -> Result<PgConnectOptions, OpenError> {
        const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
        if !SCHEMES.iter().any(|scheme| self.url.starts_with(scheme)) {
            let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(OpenError::Scheme(scheme.to_owned()));
        }
        let options: PgConnectOptions = self.url.parse().map_err(OpenError::Url)?;
        let ms = |time: Duration| time.as_millis().to_string();
        Ok(options.application_name("nudge").statement_cache_capacity(256).options([
            ("statement_timeout", ms(self.statement_timeout)),
            ("lock_timeout", ms(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", ms(self.idle_in_transaction_timeout)),
            // Every statement here is short, and is to have the same plan however full the tables are: a plan that
            // was made over a new and empty table is kept long after it is full.
            ("jit", "off".to_owned()),
            ("enable_seqscan", "off".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ]))
    }
}

impl std::fmt::Debug for PostgresOptions {
    /// Leaves the URL out: it has the password in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("writers", &self.writers)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("failover", &self.failover)
            .field("fan_out", &self.fan_out)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_printed_options_have_no_password() {
        let options = PostgresOptions::new("postgres://nudge:secret@db/nudge".to_owned());
        let printed = format!("{options:?}");
        assert!(printed.contains("Epoch") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn a_url_of_another_scheme_is_refused_without_being_printed() {
        for url in ["mysql://nudge:secret@db/nudge", "nudge:secret@db", ""] {
            let refused = PostgresOptions::new(url.to_owned()).connect_options().unwrap_err();
            let printed = refused.to_string();
            assert!(printed.contains("postgres://") && !printed.contains("secret"), "{printed}");
        }
    }
}
