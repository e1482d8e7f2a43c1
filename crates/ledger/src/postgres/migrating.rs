use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

use super::{ACQUIRE_TIMEOUT, PgTransaction, begin, classify, commit, query, query_scalar};
use crate::{LedgerError, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Where sqlx keeps which migrations ran.
const TABLE: &str = "arrivage.migration";

/// Any number that no other program locks.
const LOCK: i64 = 0x4172_7269_7661_6765;

/// All of it is one transaction under a transaction-level lock: a session lock
/// would be released on another backend behind PgBouncer. It has a connection of
/// its own, because sqlx names the migrator's statements.
pub(super) async fn migrate(pool: &PgPool, connection: &PgConnectOptions) -> Result<()> {
    if check_version(pool).await.is_ok() {
        return Ok(());
    }
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    let own = own.connect_lazy_with(connection.clone());
    let mut tx = begin(&own).await?;
    forget_named_statements(&mut tx).await?;
    query("-- ledger::migrate\nSELECT set_config('lock_timeout', '60s', true), pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.set_locking(false).set_ignore_missing(true);
    migrator.create_schema("arrivage");
    migrator.dangerous_set_table_name(TABLE);
    migrator
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                classify::statement(error)
            }
            other => LedgerError::Version(format!("the ledger cannot be upgraded: {other}")),
        })?;
    forget_named_statements(&mut tx).await?;
    commit(tx).await?;
    own.close().await;
    Ok(())
}

/// Those of earlier clients of the same backend, and ours for the later ones.
async fn forget_named_statements(tx: &mut PgTransaction) -> Result<()> {
    let forget = sqlx::raw_sql("-- ledger::migrate\nDEALLOCATE ALL");
    forget
        .execute(&mut **tx)
        .await
        .map_err(classify::statement)?;
    Ok(())
}

pub(super) async fn check_version(pool: &PgPool) -> Result<()> {
    let wanted = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default();
    let mut tx = begin(pool).await?;
    let sql = format!("-- ledger::check_version\nSELECT max(version) FROM {TABLE} WHERE success");
    let found: Option<i64> = query_scalar(AssertSqlSafe(sql))
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
