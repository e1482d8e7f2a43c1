use std::time::{Duration, Instant};

use arrivage_fault::{Point, reach};
use sqlx::Executor;
use sqlx::migrate::Migrator;

use super::classify;
use super::database::Database;
use crate::{LedgerError, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Where it is kept which migrations ran.
const PREPARE: &str = "-- ledger::migrate
    CREATE TABLE IF NOT EXISTS arrivage_migration (
        version INTEGER PRIMARY KEY,
        description TEXT NOT NULL,
        installed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    )";

/// How long to wait for the others while the file becomes a WAL.
const PATIENCE: Duration = Duration::from_secs(30);

/// All of it is one transaction under the write lock, so that of two at once the
/// second finds nothing left to do.
pub(super) async fn migrate(database: &Database) -> Result<()> {
    write_ahead(database).await?;
    if check_version(database).await.is_ok() {
        return Ok(());
    }
    let mut writing = database.write().await?;
    writing
        .connection()
        .execute(PREPARE)
        .await
        .map_err(classify::statement)?;
    reach(Point::MigratePrepared).map_err(classify::statement)?;
    let done: Vec<i64> =
        sqlx::query_scalar("-- ledger::migrate\nSELECT version FROM arrivage_migration")
            .fetch_all(writing.connection())
            .await
            .map_err(classify::statement)?;
    for migration in MIGRATIONS.iter() {
        if done.contains(&migration.version) {
            continue;
        }
        writing
            .connection()
            .execute(&*migration.sql)
            .await
            .map_err(classify::statement)?;
        sqlx::query("-- ledger::migrate\nINSERT INTO arrivage_migration (version, description) VALUES (?1, ?2)")
            .bind(migration.version)
            .bind(&*migration.description)
            .execute(writing.connection())
            .await
            .map_err(classify::statement)?;
        reach(Point::MigrateApplied).map_err(classify::statement)?;
    }
    writing.commit().await?;
    reach(Point::MigrateCommitted).map_err(classify::statement)
}

/// The file remembers this. Changing it needs the whole file for a moment, and
/// SQLite's own patience does not count there.
async fn write_ahead(database: &Database) -> Result<()> {
    let started = Instant::now();
    loop {
        let mode =
            sqlx::query_scalar::<_, String>("-- ledger::write_ahead\nPRAGMA journal_mode = WAL")
                .fetch_one(database.reading())
                .await
                .map_err(classify::statement);
        match mode {
            Ok(_) => return Ok(()),
            Err(LedgerError::Away(_)) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn check_version(database: &Database) -> Result<()> {
    let wanted = MIGRATIONS.iter().map(|migration| migration.version).max();
    let sql = "-- ledger::check_version\nSELECT max(version) FROM arrivage_migration";
    let found: Option<i64> = sqlx::query_scalar(sql)
        .fetch_one(database.reading())
        .await
        .map_err(classify::statement)?;
    if found < wanted {
        let message = "the ledger is older than this program; run `arrivage migrate`";
        return Err(LedgerError::Version(message.to_owned()));
    }
    Ok(())
}

/// A file that cannot be written, or a writer that never ends, does not answer.
/// BEGIN IMMEDIATE alone would: on a file that is read-only it only reads.
pub(super) async fn ping(database: &Database) -> Result<()> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::ping
        UPDATE arrivage_pipeline SET max_attempts = max_attempts WHERE name IS NULL",
    )
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.roll_back().await;
    Ok(())
}
