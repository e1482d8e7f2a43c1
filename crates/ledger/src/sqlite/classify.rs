//! What an error of SQLite means for the caller. The one place that reads result
//! codes.

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::{Destination, LedgerError, TargetRefusal};
use arrivage_model::{Mode, TableName};

// https://www.sqlite.org/rescode.html
const ERROR: i32 = 1;
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

/// An error of a statement, with or without an answer of the database.
pub(super) fn statement(error: Error) -> LedgerError {
    let Error::Database(answer) = &error else {
        return match &error {
            Error::Io(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::BeginFailed => LedgerError::Away(error),
            Error::Configuration(_) => LedgerError::Refused(error),
            _ => LedgerError::Unexpected(error),
        };
    };
    let code = code(answer.as_ref());
    match code & 0xff {
        ERROR
            if missing_table(answer.message())
                .is_some_and(|name| name.starts_with("arrivage_")) =>
        {
            LedgerError::Version("the ledger is not there; run `arrivage migrate`".to_owned())
        }
        CONSTRAINT | MISMATCH | TOOBIG => LedgerError::Row {
            sqlstate: sqlstate(code).to_owned(),
            message: answer.message().to_owned(),
        },
        BUSY | LOCKED | NOMEM | INTERRUPT | IOERR | FULL | CANTOPEN | PROTOCOL => {
            LedgerError::Away(error)
        }
        PERM | READONLY | CORRUPT | AUTH | NOTADB => LedgerError::Refused(error),
        _ => LedgerError::Unexpected(error),
    }
}

/// Another holds the lock that the statement needs.
pub(super) fn is_busy(error: &Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|answer| matches!(code(answer) & 0xff, BUSY | LOCKED))
}

/// An error of COMMIT: when the disk failed in it, nobody knows what became of it.
pub(super) fn committing(error: Error) -> LedgerError {
    match statement(error) {
        LedgerError::Away(error) => LedgerError::Unknown(error),
        other => other,
    }
}

/// An error of a statement on the target: the table may have changed since it was
/// looked at.
pub(super) fn loading(error: Error, destination: &Destination) -> LedgerError {
    let table = &destination.table.name;
    match &destination.mode {
        Mode::Upsert { key } => upserting(error, table, key),
        Mode::Append | Mode::Replace => drifted(error, table),
    }
}

/// The same, of a statement that names this key.
pub(super) fn upserting(error: Error, table: &TableName, key: &[String]) -> LedgerError {
    let unmatched = error.as_database_error().is_some_and(|answer| {
        let words = answer.message();
        words.starts_with("ON CONFLICT clause does not match")
    });
    if !unmatched {
        return drifted(error, table);
    }
    let (table, key) = (table.clone(), key.join(", "));
    TargetRefusal::NoUniqueKey { table, key }.into()
}

/// The same, where no row is added.
pub(super) fn drifted(error: Error, table: &TableName) -> LedgerError {
    let Some(answer) = error
        .as_database_error()
        .filter(|answer| code(*answer) & 0xff == ERROR)
    else {
        return statement(error);
    };
    let table = table.clone();
    if missing_table(answer.message()).is_some_and(|name| name.eq_ignore_ascii_case(&table.name)) {
        return TargetRefusal::Missing(table).into();
    }
    // The statement is made here from the table's name and columns, so what SQLite
    // does not understand is the table, its triggers, or what it refers to.
    TargetRefusal::Columns {
        table,
        message: answer.message().to_owned(),
    }
    .into()
}

fn missing_table(message: &str) -> Option<&str> {
    let name = message.strip_prefix("no such table: ")?;
    Some(name.strip_prefix("main.").unwrap_or(name))
}

fn code(answer: &dyn DatabaseError) -> i32 {
    answer
        .code()
        .and_then(|code| code.parse().ok())
        .unwrap_or_default()
}

/// The SQLSTATE that PostgreSQL has for it.
fn sqlstate(code: i32) -> &'static str {
    match (code & 0xff, code >> 8) {
        (CONSTRAINT, 1) => "23514",                  // CHECK
        (CONSTRAINT, 3) => "23503",                  // FOREIGNKEY
        (CONSTRAINT, 5) => "23502",                  // NOTNULL
        (CONSTRAINT, 6 | 8 | 10) => "23505",         // PRIMARYKEY, UNIQUE, ROWID
        (CONSTRAINT, 7) => "P0001",                  // a trigger that raises
        (CONSTRAINT, 12) | (MISMATCH, _) => "42804", // DATATYPE of a STRICT table
        (TOOBIG, _) => "54000",
        _ => "23000",
    }
}
