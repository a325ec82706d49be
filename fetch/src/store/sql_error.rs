//! What a database's failure means, whichever database it is.

use sqlx::{Error, error::DatabaseError, postgres::PgDatabaseError, sqlite::SqliteError};

use super::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        if let Error::Database(refusal) = &error {
            of_refusal(refusal.as_ref(), text)
        } else if matches!(error, Error::ColumnDecode { .. } | Error::Decode(_)) {
            Self::Damaged(text)
        } else {
            Self::Unavailable(text)
        }
    }
}

fn of_refusal(refusal: &dyn DatabaseError, text: String) -> StoreError {
    if let Some(refusal) = refusal.try_downcast_ref::<PgDatabaseError>() {
        return of_sqlstate(refusal.code(), text);
    }
    let code = refusal.try_downcast_ref::<SqliteError>().and_then(DatabaseError::code);
    if code.is_some_and(|code| code == SQLITE_FULL) {
        StoreError::Full
    } else {
        StoreError::Unavailable(text)
    }
}

/// See the appendix "PostgreSQL Error Codes" of its documentation.
fn of_sqlstate(code: &str, text: String) -> StoreError {
    match code {
        DISK_FULL => StoreError::Full,
        SERIALIZATION_FAILURE
        | DEADLOCK_DETECTED
        | LOCK_NOT_AVAILABLE
        | READ_ONLY_TRANSACTION
        | ADMIN_SHUTDOWN
        | CRASH_SHUTDOWN
        | CANNOT_CONNECT_NOW
        | TOO_MANY_CONNECTIONS
        | IDLE_IN_TRANSACTION_TIMEOUT => StoreError::Undone(text),
        _ if REFUSED_DATA.iter().any(|class| code.starts_with(class)) => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}

/// Whether the failure is the connection's, so that another one may do better.
pub(super) fn is_broken_connection(error: &Error) -> bool {
    let refusal = error.as_database_error().and_then(|refusal| refusal.try_downcast_ref());
    refusal.is_some_and(|refusal: &PgDatabaseError| {
        refusal.code().starts_with(CONNECTION_EXCEPTION) || refusal.code().starts_with(SHUTDOWN)
    }) || matches!(error, Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed)
}

/// SQLite's result code for a full disk.
const SQLITE_FULL: &str = "13";

/// A value that no column takes, a constraint, a statement that the schema does not know, a limit of the program.
const REFUSED_DATA: [&str; 4] = ["22", "23", "42", "54"];
const CONNECTION_EXCEPTION: &str = "08";
const SHUTDOWN: &str = "57P";
const DISK_FULL: &str = "53100";
const TOO_MANY_CONNECTIONS: &str = "53300";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The server became a standby, or never was anything else.
const READ_ONLY_TRANSACTION: &str = "25006";
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
const ADMIN_SHUTDOWN: &str = "57P01";
const CRASH_SHUTDOWN: &str = "57P02";
const CANNOT_CONNECT_NOW: &str = "57P03";
