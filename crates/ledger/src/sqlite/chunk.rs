//! The transaction of one chunk: rows, rejects, and last the fenced advance.

use std::ops::{Range, RangeInclusive};

use arrivage_fault::{Point, reach};
use arrivage_model::{ArrivalId, Lease, Order, Reject, Rows};
use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::database::{Database, Writing};
use super::insert::Insert;
use super::{classify, order, signed, staging, target};
use crate::{Advance, ChunkTransaction, Destination, LedgerError, Result, TargetRefusal};

/// Rejects of one statement; with eight values each far below SQLite's 32,766.
pub(super) const REJECTS: usize = 500;

pub(super) struct Chunk {
    /// Nothing after an error ended the transaction: on some of them SQLite rolls it
    /// back by itself, and what came after would commit alone.
    writing: Option<Writing>,
    lease: Lease,
    destination: Destination,
    insert: Insert,
    /// Broken references in the table so far, where SQLite looks at them no earlier
    /// than at COMMIT.
    broken_references: Option<i64>,
}

impl Chunk {
    pub(super) async fn begin(
        database: &Database,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Self> {
        let mut writing = database.write().await?;
        reach(Point::ChunkBegun).map_err(classify::statement)?;
        let table = &destination.table.name;
        if destination.atomic {
            staging::prepare(writing.connection(), lease, destination).await?;
        }
        let mut broken_references = None;
        if target::checks_references_late(writing.connection(), table).await? {
            let broken = target::broken_references(writing.connection(), table).await?;
            broken_references = Some(broken);
        }
        Ok(Self {
            writing: Some(writing),
            lease: *lease,
            insert: Insert::new(lease.arrival, destination),
            destination: destination.clone(),
            broken_references,
        })
    }

    async fn add(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        let connection = live(&mut self.writing)?;
        run(connection, "SAVEPOINT arrivage_rows").await?;
        let added = self.insert.run(connection, rows, range).await;
        self.settle(added).await
    }

    async fn show(&mut self, records: &RangeInclusive<u64>) -> Result<()> {
        let connection = live(&mut self.writing)?;
        run(connection, "SAVEPOINT arrivage_rows").await?;
        let arrival = self.lease.arrival;
        let shown = staging::publish(connection, arrival, &self.destination, records).await;
        self.settle(shown).await
    }

    /// Leaves nothing behind of rows that were refused.
    async fn settle(&mut self, added: Result<(), sqlx::Error>) -> Result<()> {
        let mut added = added.map_err(|error| classify::loading(error, &self.destination));
        reach(Point::ChunkCopying).map_err(classify::statement)?;
        if added.is_ok() {
            added = self.check_references().await;
        }
        let connection = live(&mut self.writing)?;
        match added {
            Ok(()) => run(connection, "RELEASE arrivage_rows").await,
            Err(LedgerError::Row { sqlstate, message }) => {
                if run(connection, "ROLLBACK TO arrivage_rows").await.is_err() {
                    let message = format!("it ended the whole transaction: {message}");
                    let table = self.destination.table.name.clone();
                    return Err(TargetRefusal::Columns { table, message }.into());
                }
                run(connection, "RELEASE arrivage_rows").await?;
                Err(LedgerError::Row { sqlstate, message })
            }
            Err(error) => Err(error),
        }
    }

    /// What COMMIT would refuse as a whole is refused here, while its rows are known.
    async fn check_references(&mut self) -> Result<()> {
        let Some(before) = self.broken_references else {
            return Ok(());
        };
        let table = &self.destination.table.name;
        let broken = target::broken_references(live(&mut self.writing)?, table).await?;
        if broken > before {
            return Err(target::broken_reference());
        }
        self.broken_references = Some(broken);
        Ok(())
    }

    /// Lets a refused row pass; after any other error the transaction is over.
    fn end_on_error(&mut self, outcome: &Result<()>) {
        if !matches!(outcome, Ok(()) | Err(LedgerError::Row { .. })) {
            self.writing = None;
        }
    }
}

fn live(writing: &mut Option<Writing>) -> Result<&mut SqliteConnection> {
    match writing {
        Some(writing) => Ok(writing.connection()),
        None => Err(LedgerError::Away(sqlx::Error::WorkerCrashed)),
    }
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql)
        .execute(connection)
        .await
        .map_err(classify::statement)?;
    Ok(())
}

#[async_trait]
impl ChunkTransaction for Chunk {
    async fn load(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let added = self.add(rows, range).await;
        self.end_on_error(&added);
        added
    }

    async fn reject(&mut self, rejects: &[Reject]) -> Result<()> {
        for some in rejects.chunks(REJECTS) {
            let arrival = self.lease.arrival;
            let inserted = insert_rejects(live(&mut self.writing)?, arrival, some).await;
            self.end_on_error(&inserted);
            inserted?;
        }
        Ok(())
    }

    async fn make_way(&mut self) -> Result<()> {
        let connection = live(&mut self.writing)?;
        let made = staging::make_way(connection, &self.lease, &self.destination).await;
        self.end_on_error(&made);
        made
    }

    async fn publish(&mut self, records: RangeInclusive<u64>) -> Result<()> {
        let shown = self.show(&records).await;
        self.end_on_error(&shown);
        shown
    }

    async fn reject_staged(&mut self, record: u64, reason: &str) -> Result<()> {
        let connection = live(&mut self.writing)?;
        let (arrival, destination) = (self.lease.arrival, &self.destination);
        let kept = staging::reject(connection, arrival, destination, record, reason).await;
        self.end_on_error(&kept);
        kept
    }

    async fn commit(mut self: Box<Self>, advance: &Advance) -> Result<()> {
        reach(Point::ChunkCopied).map_err(classify::statement)?;
        let connection = live(&mut self.writing)?;
        if self.destination.order == Order::Newest
            && order::is_overtaken(connection, self.lease.arrival).await?
        {
            self.roll_back().await;
            return Err(LedgerError::Overtaken);
        }
        if advance.last && self.destination.atomic {
            staging::discard(connection, self.lease.arrival).await?;
        }
        let moved = move_checkpoint(connection, &self.lease, advance).await?;
        let Some(writing) = self.writing else {
            return Ok(());
        };
        if !moved {
            writing.roll_back().await;
            return Err(LedgerError::NotMatched);
        }
        reach(Point::ChunkBeforeCommit).map_err(classify::statement)?;
        writing.commit().await?;
        reach(Point::ChunkCommitted).map_err(classify::committing)
    }

    async fn roll_back(self: Box<Self>) {
        if let Some(writing) = self.writing {
            writing.roll_back().await;
        }
    }
}

/// At most [`REJECTS`] at a time.
pub(super) async fn insert_rejects(
    connection: &mut SqliteConnection,
    arrival: ArrivalId,
    rejects: &[Reject],
) -> Result<()> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "-- ledger::reject
        INSERT INTO arrivage_reject
          (arrival_id, record, line, byte_offset, column_name, reason_code, reason, raw) ",
    );
    insert.push_values(rejects, |mut row, reject| {
        row.push_bind(arrival.0)
            .push_bind(signed(reject.record))
            .push_bind(signed(reject.line))
            .push_bind(signed(reject.byte_offset))
            .push_bind(reject.column.as_deref())
            .push_bind(reject.code.as_str())
            .push_bind(&reject.reason)
            .push_bind(&reject.raw);
    });
    insert
        .build()
        .execute(connection)
        .await
        .map_err(classify::statement)?;
    Ok(())
}

/// The last statement. The write lock is held already, so that nobody moves the
/// arrival between it and the commit. Says whether lease and checkpoint matched.
pub(super) async fn move_checkpoint(
    connection: &mut SqliteConnection,
    lease: &Lease,
    advance: &Advance,
) -> Result<bool> {
    let result = sqlx::query(
        "-- ledger::advance
        UPDATE arrivage_arrival SET
          checkpoint_records = ?6, checkpoint_offset = ?7, bytes_read = ?8, checkpoint_state = ?9,
          records_loaded = records_loaded + ?10, records_rejected = records_rejected + ?11,
          reading = ?12,
          barren = CASE WHEN ?13 OR ?6 > ?4 OR ?7 > ?5 THEN 0 ELSE barren END,
          state = CASE WHEN ?13 THEN 'loaded' ELSE state END,
          lease_until = CASE WHEN ?13 THEN NULL ELSE lease_until END,
          finished_at = CASE WHEN ?13 THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
          error_code = CASE WHEN ?13 THEN NULL ELSE error_code END,
          error = CASE WHEN ?13 THEN NULL ELSE error END
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'
          AND checkpoint_records = ?4 AND checkpoint_offset = ?5",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(signed(advance.from_records))
    .bind(signed(advance.from_offset))
    .bind(signed(advance.to.records))
    .bind(signed(advance.to.offset))
    .bind(signed(advance.to.bytes_read))
    .bind(advance.to.state.as_deref())
    .bind(advance.loaded)
    .bind(signed(advance.rejected))
    .bind(&advance.reading)
    .bind(advance.last)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(result.rows_affected() == 1)
}
