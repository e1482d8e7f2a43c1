use std::sync::Arc;

use crate::{LedgerError, PostgresLedger, SharedLedger, SqliteLedger};

/// How to reach the database.
#[derive(Clone)]
pub struct ConnectOptions {
    /// `postgres://…` or `sqlite://…`. May hold a password; never logged.
    pub url: String,
    /// What stands between.
    pub pooler: Pooler,
    /// Connections at the same time, besides the one that keeps leases.
    pub connections: u32,
}

/// What stands between this program and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps sessions.
    None,
    /// PgBouncer in transaction mode: no session state, no named statements.
    Transaction,
}

/// Opens the ledger that the URL names. Does not connect yet: the first call does.
pub fn connect(options: &ConnectOptions) -> Result<SharedLedger, LedgerError> {
    if options.url.starts_with("sqlite:") {
        Ok(Arc::new(SqliteLedger::open(
            &options.url,
            options.connections,
        )?))
    } else {
        Ok(Arc::new(PostgresLedger::open(options)?))
    }
}
