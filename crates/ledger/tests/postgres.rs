//! The conformance suite over PostgreSQL.

#[macro_use]
mod conformance;
#[path = "postgres/forms.rs"]
mod forms;
#[path = "postgres/plans.rs"]
mod plans;
#[path = "postgres/pruning.rs"]
mod pruning;
#[path = "postgres/removing.rs"]
mod removing;
#[path = "postgres/replacing.rs"]
mod replacing;
#[path = "postgres/server.rs"]
mod server;

use arrivage_ledger::{ConnectOptions, Pooler, SharedLedger, connect};
use arrivage_testkit as testkit;
use async_trait::async_trait;

conformance!(PostgresDatabase);

/// A database of the server that the tests share.
pub(crate) struct PostgresDatabase {
    database: testkit::Database,
}

#[async_trait]
impl conformance::Database for PostgresDatabase {
    const LEDGER: &'static str = "arrivage.";

    async fn create() -> Self {
        let database = testkit::Postgres::database().await;
        Self {
            database: database.expect("a database"),
        }
    }

    fn ledger(&self) -> SharedLedger {
        let options = ConnectOptions {
            url: self.database.url().to_owned(),
            pooler: Pooler::None,
            connections: 4,
        };
        connect(&options).expect("opens")
    }

    async fn sql(&self, statements: &str) -> String {
        self.database.sql(statements).await.expect(statements)
    }

    async fn columns(&self, view: &str) -> Vec<String> {
        let sql = format!(
            "SELECT column_name FROM information_schema.columns
             WHERE table_schema = 'arrivage' AND table_name = '{view}' ORDER BY ordinal_position"
        );
        self.sql(&sql).await.lines().map(str::to_owned).collect()
    }

    fn moment(seconds: i64) -> String {
        format!("clock_timestamp() + interval '{seconds} seconds'")
    }
}
