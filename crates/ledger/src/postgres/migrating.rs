use arrivage_fault::{Point, reach};
use sqlx::migrate::Migrator;
use sqlx::{Executor, PgPool};

use super::{begin, classify, commit, query, query_scalar};
use crate::{LedgerError, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Where it is kept which migrations ran. Who may not create a schema can still
/// migrate into one that is there.
const PREPARE: &str = "-- ledger::migrate
    DO $$ BEGIN
        IF to_regnamespace('arrivage') IS NULL THEN CREATE SCHEMA arrivage; END IF;
    END $$;
    CREATE TABLE IF NOT EXISTS arrivage.migration (
        version bigint PRIMARY KEY,
        description text NOT NULL,
        installed_at timestamptz NOT NULL DEFAULT now()
    )";

/// Any number that no other program locks.
const LOCK: i64 = 0x4172_7269_7661_6765;

/// All of it is one transaction under a transaction-level lock: a session lock
/// would be released on another backend behind PgBouncer. sqlx's own runner keeps
/// named statements and its table elsewhere, so this one is ours.
pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    if check_version(pool).await.is_ok() {
        return Ok(());
    }
    let mut tx = begin(pool).await?;
    query("-- ledger::migrate\nSELECT set_config('lock_timeout', '60s', true), pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    tx.execute(PREPARE).await.map_err(classify::statement)?;
    reach(Point::MigratePrepared).map_err(classify::statement)?;
    let done: Vec<i64> = query_scalar("-- ledger::migrate\nSELECT version FROM arrivage.migration")
        .fetch_all(&mut *tx)
        .await
        .map_err(classify::statement)?;
    for migration in MIGRATIONS.iter() {
        if done.contains(&migration.version) {
            continue;
        }
        tx.execute(&*migration.sql)
            .await
            .map_err(classify::statement)?;
        query("-- ledger::migrate\nINSERT INTO arrivage.migration (version, description) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(&*migration.description)
            .execute(&mut *tx)
            .await
            .map_err(classify::statement)?;
        reach(Point::MigrateApplied).map_err(classify::statement)?;
    }
    commit(tx).await?;
    reach(Point::MigrateCommitted).map_err(classify::statement)
}

pub(super) async fn check_version(pool: &PgPool) -> Result<()> {
    let wanted = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default();
    let mut tx = begin(pool).await?;
    let sql = "-- ledger::check_version\nSELECT max(version) FROM arrivage.migration";
    let found: Option<i64> = query_scalar(sql)
        .fetch_one(&mut *tx)
        .await
        .map_err(classify::statement)?;
    if found < Some(wanted) {
        let message = "the ledger is older than this program; run `arrivage migrate`";
        return Err(LedgerError::Version(message.to_owned()));
    }
    commit(tx).await
}

/// A transaction that may write: a standby, or a full server, does not answer.
pub(super) async fn ping(pool: &PgPool) -> Result<()> {
    let mut tx = begin(pool).await?;
    query("-- ledger::ping\nSELECT 1 FROM arrivage.pipeline LIMIT 1")
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    commit(tx).await
}
