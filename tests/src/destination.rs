use anyhow::{Context, Result};
use arrivage_testkit::{Database, Postgres};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Column, ConnectOptions, Connection, Executor, Row, TypeInfo, ValueRef};
use tempfile::TempDir;

/// The database that a test loads into. It goes when this is dropped.
#[derive(Debug)]
pub enum Destination {
    /// A database of the shared PostgreSQL.
    Postgres(Database),
    /// A file `arrivage.db` in a directory of its own.
    Sqlite(TempDir),
}

impl Destination {
    /// A new, empty database of PostgreSQL.
    pub async fn postgres() -> Result<Self> {
        Ok(Self::Postgres(Postgres::database().await?))
    }

    /// A new database of SQLite; its file is made by the first who opens it.
    pub fn sqlite() -> Result<Self> {
        Ok(Self::Sqlite(TempDir::new()?))
    }

    /// What `database.url` says.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url().to_owned(),
            Self::Sqlite(directory) => {
                format!(
                    "sqlite://{}",
                    directory.path().join("arrivage.db").display()
                )
            }
        }
    }

    /// Runs SQL in a session of its own. Returns the rows of the last statement, a line each, columns
    /// parted by `|`, a NULL empty. The ledger is called as on PostgreSQL (`arrivage.arrivals`) on
    /// SQLite too. An error while the database or what it names is not there.
    pub async fn sql(&self, statements: &str) -> Result<String> {
        match self {
            Self::Postgres(database) => database.sql(statements).await,
            Self::Sqlite(_) => {
                let statements = statements.replace("arrivage.", "arrivage_");
                sqlite(&self.url(), &statements)
                    .await
                    .with_context(|| statements)
            }
        }
    }

    /// The one number that a query finds; 0 while there is nothing to ask, so that a test can wait
    /// for it from the start.
    pub async fn count(&self, query: &str) -> i64 {
        let found = self.sql(query).await.unwrap_or_default();
        found.trim().parse().unwrap_or(0)
    }
}

async fn sqlite(url: &str, statements: &str) -> Result<String> {
    let options: SqliteConnectOptions = url.parse()?;
    let options = options.create_if_missing(true).disable_statement_logging();
    let mut connection = options.connect().await?;
    let rows = connection.fetch_all(statements).await?;
    connection.close().await?;
    let lines: Result<Vec<String>> = rows.iter().map(line).collect();
    Ok(lines?.join("\n"))
}

/// A row as psql prints it.
fn line(row: &SqliteRow) -> Result<String> {
    let mut cells = Vec::with_capacity(row.len());
    for column in row.columns() {
        let at = column.ordinal();
        let value = row.try_get_raw(at)?;
        let kind = value.type_info().name().to_owned();
        cells.push(match kind.as_str() {
            _ if value.is_null() => String::new(),
            "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(at)?.to_string(),
            "REAL" => format!("{:?}", row.try_get_unchecked::<f64, _>(at)?),
            "BLOB" => format!("{:x?}", row.try_get_unchecked::<Vec<u8>, _>(at)?),
            _ => row.try_get_unchecked::<String, _>(at)?,
        });
    }
    Ok(cells.join("|"))
}
