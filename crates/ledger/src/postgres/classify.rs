//! What an error of PostgreSQL means for the caller. The one place that reads
//! SQLSTATEs.

use sqlx::Error;

use crate::LedgerError;

/// Raised by `arrivage.advance`.
const NOT_MATCHED: &str = "ZA001";
const OVERTAKEN: &str = "ZA002";

/// An error of a statement, with or without an answer of the server.
pub(super) fn statement(error: Error) -> LedgerError {
    let Error::Database(answer) = &error else {
        return match &error {
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::BeginFailed => LedgerError::Away(error),
            Error::Configuration(_) => LedgerError::Refused(error),
            _ => LedgerError::Unexpected(error),
        };
    };
    let sqlstate = answer.code().unwrap_or_default().into_owned();
    let class = sqlstate.get(..2).unwrap_or_default();
    match (class, sqlstate.as_str()) {
        (_, NOT_MATCHED) => LedgerError::NotMatched,
        (_, OVERTAKEN) => LedgerError::Overtaken,
        // The ledger's own tables are not there.
        (_, "3F000") => missing(),
        (_, "42P01") if answer.message().contains("arrivage.") => missing(),
        // A user's trigger that raises, or finds none or too many of something, means
        // the row, as a constraint does; so does a value too large for an index.
        ("21" | "22" | "23" | "54" | "P0", _) => LedgerError::Row {
            sqlstate,
            message: answer.message().to_owned(),
        },
        // Of a pooler in transaction mode that is not in the configuration.
        (_, "08P01") if answer.message().contains("unsupported startup parameter") => {
            LedgerError::Refused(error)
        }
        // Connection, rollback, resources, lock timeout, operator, system;
        // a standby refuses writes while it is one; a timeout of the server's, or of
        // ours, for transactions, idle or not.
        ("08" | "40" | "53" | "55" | "57" | "58", _) | (_, "25006" | "25P03" | "25P04") => {
            LedgerError::Away(error)
        }
        ("28" | "3D" | "42" | "0A", _) => LedgerError::Refused(error),
        // Classes that the standard leaves to users, PostgreSQL's own aside.
        (class, _) if is_users_own(class) => LedgerError::Row {
            sqlstate,
            message: answer.message().to_owned(),
        },
        _ => LedgerError::Unexpected(error),
    }
}

fn is_users_own(class: &str) -> bool {
    let own = class.starts_with(|first: char| matches!(first, '5'..='9' | 'I'..='Z'));
    own && !matches!(class, "53" | "54" | "55" | "57" | "58" | "72" | "P0" | "XX")
}

fn missing() -> LedgerError {
    LedgerError::Version("the ledger is not there; run `arrivage migrate`".to_owned())
}

/// An error of BEGIN. A standby says that it does not support READ WRITE, until it
/// is promoted.
pub(super) fn beginning(error: Error) -> LedgerError {
    match statement(error) {
        LedgerError::Refused(error) if is_unsupported(&error) => LedgerError::Away(error),
        other => other,
    }
}

fn is_unsupported(error: &Error) -> bool {
    let answer = error.as_database_error();
    answer.and_then(|answer| answer.code()).as_deref() == Some("0A000")
}

/// An error of COMMIT: without an answer nobody knows what became of it.
pub(super) fn committing(error: Error) -> LedgerError {
    match statement(error) {
        LedgerError::Away(error) if !matches!(error, Error::Database(_)) => {
            LedgerError::Unknown(error)
        }
        other => other,
    }
}
