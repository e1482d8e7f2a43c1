//! Connections, and the one way to a writing transaction.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::classify;
use crate::{LedgerError, Result};

/// How long a writer waits for the others, of this process and of others.
const PATIENCE: Duration = Duration::from_secs(30);

/// An SQLite file, and this process's queue of writers.
pub(super) struct Database {
    pool: SqlitePool,
    options: SqliteConnectOptions,
    /// SQLite lets waiting writers poll for its lock, and the luckiest goes first.
    /// Within this process they go one at a time, in the order they came.
    turn: Arc<Semaphore>,
}

/// A transaction that holds the write lock. Dropped without a commit, it leaves
/// nothing.
pub(super) struct Writing {
    // Rolled back before the next writer's turn begins: fields drop in this order.
    transaction: Transaction<'static, Sqlite>,
    _turn: OwnedSemaphorePermit,
}

impl Database {
    pub(super) fn open(url_or_path: &str, max_connections: u32) -> Result<Self> {
        let options = match url_or_path.strip_prefix("sqlite:") {
            Some(_) => url_or_path.parse().map_err(LedgerError::Refused)?,
            None => SqliteConnectOptions::new().filename(url_or_path),
        };
        refuse_memory(url_or_path)?;
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let pool = pool(&options, max_connections.max(2));
        Ok(Self { pool, options, turn: Arc::new(Semaphore::new(1)) })
    }

    /// The same file and the same queue, by a connection that nobody else uses.
    pub(super) fn with_own_connection(&self) -> Self {
        Self {
            pool: pool(&self.options, 1),
            options: self.options.clone(),
            turn: Arc::clone(&self.turn),
        }
    }

    /// For reading: sees one state of the database for each statement, and waits
    /// for no writer.
    pub(super) fn reading(&self) -> &SqlitePool {
        &self.pool
    }

    /// Begins a transaction that may write.
    pub(super) async fn write(&self) -> Result<Writing> {
        let turn = Arc::clone(&self.turn).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, turn).await else {
            return Err(LedgerError::Away(sqlx::Error::PoolTimedOut));
        };
        // IMMEDIATE: a transaction that reads first and writes later finds its
        // snapshot outdated, and no waiting mends that.
        let transaction = self.pool.begin_with("BEGIN IMMEDIATE").await;
        let transaction = transaction.map_err(classify::statement)?;
        Ok(Writing { transaction, _turn: turn })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Writing {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Durable when it returns. [`LedgerError::Unknown`] when nobody knows.
    pub(super) async fn commit(self) -> Result<()> {
        self.transaction.commit().await.map_err(classify::committing)
    }

    pub(super) async fn roll_back(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "the rollback went unanswered");
        }
    }
}

fn pool(options: &SqliteConnectOptions, size: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // SQLite ends a transaction by itself on some errors (disk full), and
                // sqlx goes on counting it: such a connection can begin no other.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_lazy_with(options.clone())
}

/// Each connection would see a database of its own.
fn refuse_memory(url_or_path: &str) -> Result<()> {
    if url_or_path.contains(":memory:") || url_or_path.contains("mode=memory") {
        let message = "the ledger in SQLite needs a file, not a database in memory";
        return Err(LedgerError::Refused(sqlx::Error::Configuration(message.into())));
    }
    Ok(())
}
