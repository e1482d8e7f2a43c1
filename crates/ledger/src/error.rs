use arrivage_model::TableName;

/// What went wrong with the ledger, named after what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The lease does not stand any more: stop quietly, another goes on.
    #[error("the lease does not stand any more")]
    Fenced,
    /// The chunk's advance did not match; nothing of the chunk is there. Ask for
    /// the standing.
    #[error("the checkpoint is not where this chunk begins, or the lease does not stand")]
    NotMatched,
    /// A newer content of its key is loaded, or being loaded, and the pipeline's
    /// order does not let an older one come after it.
    #[error("a newer content of its key is loaded or being loaded, and order = \"newest\"")]
    Overtaken,
    /// The answer to a COMMIT got lost. Ask for the standing.
    #[error("the answer to a COMMIT got lost")]
    Unknown(#[source] sqlx::Error),
    /// The database refused a row: bisect, and reject it.
    #[error("{message} ({sqlstate})")]
    Row {
        /// The five characters.
        sqlstate: String,
        /// The database's words, without its detail, which may hold values.
        message: String,
    },
    /// Busy, full, restarting or away: try again; nothing is lost.
    #[error("the database did not answer")]
    Away(#[source] sqlx::Error),
    /// Only a person can mend it: rights, a password, a missing database.
    #[error("the database refused")]
    Refused(#[source] sqlx::Error),
    /// The table cannot be loaded.
    #[error(transparent)]
    Target(#[from] TargetRefusal),
    /// The ledger is missing or of another version.
    #[error("{0}")]
    Version(String),
    /// None of the above: a defect, here or there.
    #[error("the database answered what nobody expected")]
    Unexpected(#[source] sqlx::Error),
}

impl LedgerError {
    /// Whether waiting may mend it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unknown(_))
    }
}

/// Why a table cannot be loaded, and what to do about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetRefusal {
    /// It is not there.
    #[error("there is no table {0}; create it, or set create_table = true")]
    Missing(TableName),
    /// Its rows vanish in a crash while the ledger keeps its checkpoint.
    #[error("table {0} is unlogged: a crash would empty it; run ALTER TABLE {0} SET LOGGED")]
    Unlogged(TableName),
    /// Its rows are not of this database's transactions.
    #[error(
        "{0} is a foreign table: its rows cannot commit together with the ledger; name a local table"
    )]
    Foreign(TableName),
    /// It ends with its session.
    #[error("{0} is a temporary table; name a permanent one")]
    Temporary(TableName),
    /// It is something else.
    #[error("{0} is a {1}, not a table; name a table")]
    NotATable(TableName, &'static str),
    /// COPY refuses it.
    #[error(
        "table {0} is under row-level security, which COPY refuses; load as its owner, or as a role with BYPASSRLS"
    )]
    RowSecurity(TableName),
    /// A right is missing.
    #[error("the role {role} may not {right} {table}; run GRANT {right} ON {table} TO {role}")]
    Right {
        /// The table.
        table: TableName,
        /// The right, in SQL's word.
        right: &'static str,
        /// Who lacks it.
        role: String,
    },
    /// A column is missing, or has changed, since the load began.
    #[error("table {table} does not take these columns: {message}")]
    Columns {
        /// The table.
        table: TableName,
        /// The database's words.
        message: String,
    },
    /// An upsert needs a unique index.
    #[error(
        "table {table} has no unique index on ({key}), which mode = \"upsert\" needs; create one"
    )]
    NoUniqueKey {
        /// The table.
        table: TableName,
        /// The pipeline's key.
        key: String,
    },
    /// An atomic load gathers its rows in a table of the ledger's schema.
    #[error(
        "the role {0} may not make the table in which an atomic load gathers its rows; run GRANT CREATE ON SCHEMA arrivage TO {0}"
    )]
    NoStaging(String),
    /// An upsert puts the rows of a chunk into a temporary table first.
    #[error(
        "the role {role} may not make temporary tables, which mode = \"upsert\" needs; run GRANT TEMPORARY ON DATABASE {database} TO {role}"
    )]
    NoTemporary {
        /// The database.
        database: String,
        /// Who lacks the right.
        role: String,
    },
    /// The table cannot be made from what the pipeline declares.
    #[error("{0}")]
    Declaration(String),
}
