use std::sync::Arc;

use arrivage_model::Pipeline;

use crate::{LedgerError, PostgresLedger, SharedLedger, SqliteLedger, postgres, sqlite};

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

/// A database that can hold the ledger and the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Engine {
    /// The one that the URL names.
    #[must_use]
    pub fn of(url: &str) -> Self {
        match url.starts_with("sqlite:") {
            true => Self::Sqlite,
            false => Self::Postgres,
        }
    }

    /// The statements with which [`Ledger::create_table`](crate::Ledger::create_table)
    /// makes the pipeline's table of its declared columns.
    pub fn table_definition(self, pipeline: &Pipeline) -> Result<Vec<String>, LedgerError> {
        match self {
            Self::Postgres => postgres::definition(pipeline),
            Self::Sqlite => Ok(vec![sqlite::definition(pipeline)?]),
        }
    }
}

/// Opens the ledger that the URL names. Does not connect yet: the first call does.
pub fn connect(options: &ConnectOptions) -> Result<SharedLedger, LedgerError> {
    match Engine::of(&options.url) {
        Engine::Sqlite => Ok(Arc::new(SqliteLedger::open(
            &options.url,
            options.connections,
        )?)),
        Engine::Postgres => Ok(Arc::new(PostgresLedger::open(options)?)),
    }
}
