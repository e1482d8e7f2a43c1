use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::paths;
use super::rules::at_least;
use crate::settings::{self, Reader, Retention};

/// The database with the ledger and the tables to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    /// Where it is.
    pub(crate) url: DatabaseUrl,
    /// What stands between us and it.
    pub(crate) pooler: Pooler,
    /// How long the rejects of arrivals that rest are kept; nothing: for ever.
    pub(crate) retention: Option<Duration>,
}

/// Names a database. It shows without password and parameters, however it is
/// printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file, by its absolute path.
    Sqlite(PathBuf),
    /// A server and a database of it, with credentials.
    Postgres(Url),
}

/// What stands between us and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooler {
    /// Nothing, or a pooler in session mode.
    None,
    /// PgBouncer, or another, in transaction mode.
    Transaction,
}

/// What is younger is still looked at.
const LEAST_RETENTION: Retention = Retention(Duration::from_secs(3600));

impl Database {
    /// Whether it is embedded.
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.url, DatabaseUrl::Sqlite(_))
    }
}

impl DatabaseUrl {
    /// The whole URL, password included, for who connects.
    pub(crate) fn expose(&self) -> String {
        match self {
            Self::Sqlite(_) => self.to_string(),
            Self::Postgres(url) => url.to_string(),
        }
    }

    /// Reads a URL; a relative path begins in `folder`. No error quotes it.
    fn parse(text: &str, folder: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") {
                return Err("SQLite needs a file, such as sqlite://arrivage.db".to_owned());
            }
            if path.contains('?') {
                return Err("sqlite:// takes a path and no parameters".to_owned());
            }
            return Ok(Self::Sqlite(paths::absolute(folder, path).into()));
        }
        let rest = text.strip_prefix("postgres://");
        let Some(rest) = rest.or_else(|| text.strip_prefix("postgresql://")) else {
            return Err("expected postgres://… or sqlite://…".to_owned());
        };
        // Such a character in a password moves the rest of the password to
        // where it would be shown.
        let hint = "in names and passwords write /, ?, # and @ as %2F, %3F, %23 and %40";
        let after_host = rest
            .find(['/', '?', '#'])
            .map_or("", |start| &rest[start..]);
        if after_host.contains(['@', '#']) {
            return Err(hint.to_owned());
        }
        match Url::parse(text) {
            Ok(url) => Ok(Self::Postgres(url)),
            Err(problem) => Err(format!("{problem}; {hint}")),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let mut shown = url.clone();
                // A URL without host cannot have a password to begin with.
                let _ = shown.set_password(None);
                shown.set_query(None);
                shown.fmt(f)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

pub(super) fn database(
    typed: &settings::Database,
    folder: &str,
    reader: &mut Reader<'_>,
) -> Option<Database> {
    at_least(&typed.retention, LEAST_RETENTION, "1h", reader);
    let url = typed.url.typed()?;
    let parsed = reader.take(&url.place, DatabaseUrl::parse(&url.0, folder))?;
    let pooler = typed.pooler.typed()?;
    if pooler.value == Pooler::Transaction && matches!(parsed, DatabaseUrl::Sqlite(_)) {
        reader.complain(&pooler.place, "SQLite has no pooler");
    }
    Some(Database {
        url: parsed,
        pooler: pooler.value,
        retention: typed.retention.get().map(|retention| retention.0),
    })
}
