//! The transaction of one chunk: rows, rejects, and last the fenced advance.

use std::ops::Range;

use arrivage_model::{Lease, Reject, Rows};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::database::{Database, Writing};
use super::insert::Insert;
use super::{classify, target};
use crate::{Advance, ChunkTransaction, Destination, LedgerError, Result};

/// Rejects of one statement; far below SQLite's 32,766 variables.
const REJECTS: usize = 1000;

pub(super) struct Chunk {
    writing: Writing,
    lease: Lease,
    destination: Destination,
    insert: Insert,
    /// Broken references in the table before this chunk, where SQLite looks at
    /// them no earlier than at COMMIT.
    broken_references: Option<i64>,
    /// An error ended the transaction: what came after would commit by itself.
    ended: bool,
}

impl Chunk {
    pub(super) async fn begin(
        database: &Database,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Self> {
        let mut writing = database.write().await?;
        let name = &destination.table.name;
        let mut broken_references = None;
        if target::checks_references_late(writing.connection(), name).await? {
            broken_references = Some(target::broken_references(writing.connection(), name).await?);
        }
        Ok(Self {
            writing,
            lease: *lease,
            insert: Insert::new(lease.arrival, destination),
            destination: destination.clone(),
            broken_references,
            ended: false,
        })
    }

    async fn add(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        self.run("SAVEPOINT arrivage_rows").await?;
        let mut added = self.insert.run(self.writing.connection(), rows, range).await;
        added = added.map_err(|error| match error {
            LedgerError::Unexpected(error) => classify::loading(error, &self.destination),
            other => other,
        });
        if added.is_ok() {
            added = self.check_references().await;
        }
        if let Err(LedgerError::Row { .. }) = added {
            self.run("ROLLBACK TO arrivage_rows").await?;
        }
        if let Ok(()) | Err(LedgerError::Row { .. }) = added {
            self.run("RELEASE arrivage_rows").await?;
        }
        added
    }

    /// What COMMIT would refuse as a whole is refused here, while its rows are known.
    async fn check_references(&mut self) -> Result<()> {
        let Some(before) = self.broken_references else {
            return Ok(());
        };
        let name = &self.destination.table.name;
        let broken = target::broken_references(self.writing.connection(), name).await?;
        if broken > before {
            return Err(LedgerError::Row {
                sqlstate: "23503".to_owned(),
                message: "FOREIGN KEY constraint failed".to_owned(),
            });
        }
        self.broken_references = Some(broken);
        Ok(())
    }

    async fn run(&mut self, sql: &'static str) -> Result<()> {
        sqlx::query(sql)
            .execute(self.writing.connection())
            .await
            .map_err(classify::statement)?;
        Ok(())
    }

    /// Lets a refused row pass; any other error ends the transaction.
    fn note<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.ended |= matches!(&outcome, Err(error) if !matches!(error, LedgerError::Row { .. }));
        outcome
    }

    fn not_ended(&self) -> Result<()> {
        if self.ended { Err(LedgerError::Away(sqlx::Error::WorkerCrashed)) } else { Ok(()) }
    }
}
