//! Connections, and the one way to a writing transaction.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::time::{Instant, sleep, sleep_until};

use super::classify;
use crate::{LedgerError, Result};

/// How long a writer waits for the others, of this process and of others.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it tries. SQLite's own waiting tries every tenth of a second, and then
/// hardly ever finds the moment between two chunks of another process: a renewal
/// waited for seconds.
const POLL: Duration = Duration::from_millis(2);

/// Who held the write lock for so long leaves others the time for a try.
const LONG: Duration = Duration::from_millis(30);
const REST: Duration = Duration::from_millis(3);

/// An SQLite file.
pub(super) struct Database {
    readers: SqlitePool,
    /// One connection: the writers of this process take turns in the order they came.
    writer: SqlitePool,
    /// When the next writer of this process may begin.
    free_at: Arc<Mutex<Instant>>,
}

/// A transaction that holds the write lock. Dropped without a commit, it leaves
/// nothing.
pub(super) struct Writing {
    transaction: Transaction<'static, Sqlite>,
    began: Instant,
    free_at: Arc<Mutex<Instant>>,
}

impl Database {
    pub(super) fn open(url_or_path: &str, max_connections: u32) -> Result<Self> {
        let options = match url_or_path.strip_prefix("sqlite:") {
            Some(_) => url_or_path.parse().map_err(LedgerError::Refused)?,
            None => SqliteConnectOptions::new().filename(url_or_path),
        };
        refuse(url_or_path, &options)?;
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        Ok(Self {
            readers: pool(
                options.clone().busy_timeout(PATIENCE),
                max_connections.max(1),
            ),
            writer: pool(options.busy_timeout(Duration::ZERO), 1),
            free_at: Arc::new(Mutex::new(Instant::now())),
        })
    }

    /// For reading: sees one state of the database for each statement, and waits
    /// for no writer.
    pub(super) fn reading(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins a transaction that may write.
    pub(super) async fn write(&self) -> Result<Writing> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let free_at = *self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            sleep_until(free_at).await;
            // IMMEDIATE: a transaction that reads first and writes later finds its
            // snapshot outdated, and no waiting mends that.
            match self.writer.begin_with("BEGIN IMMEDIATE").await {
                Ok(transaction) => {
                    let free_at = Arc::clone(&self.free_at);
                    return Ok(Writing {
                        transaction,
                        began: Instant::now(),
                        free_at,
                    });
                }
                Err(error) if classify::is_busy(&error) && Instant::now() < deadline => {
                    sleep(POLL).await;
                }
                Err(error) => return Err(classify::statement(error)),
            }
        }
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Writing {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Durable when it returns. [`LedgerError::Unknown`] when nobody knows.
    pub(super) async fn commit(self) -> Result<()> {
        self.transaction
            .commit()
            .await
            .map_err(classify::committing)?;
        if self.began.elapsed() > LONG {
            let free_at = Instant::now() + REST;
            *self.free_at.lock().unwrap_or_else(PoisonError::into_inner) = free_at;
        }
        Ok(())
    }

    pub(super) async fn roll_back(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "the rollback went unanswered");
        }
    }
}

fn pool(options: SqliteConnectOptions, size: u32) -> SqlitePool {
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
        .connect_lazy_with(options)
}

/// What no waiting mends.
fn refuse(url_or_path: &str, options: &SqliteConnectOptions) -> Result<()> {
    let problem = if url_or_path.contains(":memory:") || url_or_path.contains("mode=memory") {
        // Each connection would see a database of its own.
        "the ledger in SQLite needs a file, not a database in memory".to_owned()
    } else {
        let directory = options.get_filename().parent().unwrap_or(Path::new(""));
        if directory.as_os_str().is_empty() || directory.is_dir() {
            return Ok(());
        }
        format!(
            "there is no directory {} for the database",
            directory.display()
        )
    };
    Err(LedgerError::Refused(sqlx::Error::Configuration(
        problem.into(),
    )))
}
