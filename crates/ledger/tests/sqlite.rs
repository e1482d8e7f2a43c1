//! The conformance suite over SQLite, and what is SQLite's own.

#[macro_use]
mod conformance;
#[path = "sqlite/embedded.rs"]
mod embedded;

use std::fmt::Write;
use std::sync::Arc;

use arrivage_ledger::{SharedLedger, SqliteLedger};
use async_trait::async_trait;
use conformance::Database;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, Executor, Row, SqliteConnection};
use tempfile::TempDir;

conformance!(SqliteFile);

/// An SQLite file in a directory of its own.
pub(crate) struct SqliteFile {
    directory: TempDir,
}

impl SqliteFile {
    fn path(&self) -> String {
        let path = self.directory.path().join("it's a %25 ledger?.db");
        path.into_os_string().into_string().expect("UTF-8")
    }

    async fn session(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .busy_timeout(std::time::Duration::from_secs(30));
        options.connect().await.expect("the file opens")
    }
}

#[async_trait]
impl Database for SqliteFile {
    const LEDGER: &'static str = "arrivage_";

    async fn create() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn ledger(&self) -> SharedLedger {
        Arc::new(SqliteLedger::open(&self.path(), 4).expect("opens"))
    }

    async fn sql(&self, statements: &str) -> String {
        let mut session = self.session().await;
        let rows = session.fetch_all(statements).await.expect(statements);
        session.close().await.expect("closes");
        rows.iter().map(|row| line(row) + "\n").collect()
    }

    async fn columns(&self, view: &str) -> Vec<String> {
        let names = self
            .sql(&format!(
                "SELECT name FROM pragma_table_info('arrivage_{view}')"
            ))
            .await;
        names.lines().map(str::to_owned).collect()
    }

    fn moment(seconds: i64) -> String {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{seconds} seconds')")
    }
}

fn line(row: &SqliteRow) -> String {
    let mut line = String::new();
    for column in 0..row.len() {
        let bar = if column == 0 { "" } else { "|" };
        let text: Option<String> = row.get_unchecked(column);
        write!(line, "{bar}{}", text.unwrap_or_default()).expect("writes");
    }
    line
}
