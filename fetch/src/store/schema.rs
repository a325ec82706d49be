//! One schema for programs of several versions: during a rolling deploy, and after going back.
//!
//! Migrations only add. A program that finds migrations it does not know goes on, unless one of them has raised
//! `store.compatible_from` above the newest that it knows.

use sqlx::migrate::{MigrateError, Migrator};

/// Why the schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A migration failed.
    #[error("cannot migrate the database: {0}")]
    Migrate(#[from] MigrateError),
    /// A newer program changed what this one relies on.
    #[error(
        "a newer version of Nudge has changed this database (it needs schema {needed}, this version knows \
         {known}): install that version, or restore a backup from before"
    )]
    TooNew {
        /// What a program must know.
        needed: i64,
        /// What this one knows.
        known: i64,
    },
}

/// The same migrations, with others allowed to be there.
pub(super) fn shared(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether a program with these migrations may use a database with this `compatible_from`.
pub(super) fn check(migrator: &Migrator, needed: i64) -> Result<(), SchemaError> {
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    if needed > known { Err(SchemaError::TooNew { needed, known }) } else { Ok(()) }
}
