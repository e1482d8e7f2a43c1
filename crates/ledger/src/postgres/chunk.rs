//! The transaction of one chunk: COPY, rejects, and last the fenced advance.

use std::ops::{Range, RangeInclusive};

use arrivage_fault::{Point, reach};
use arrivage_model::{Lease, Mode, Order, Reject, Rows};
use async_trait::async_trait;
use sqlx::{Executor, PgPool};

use super::copy::{self, Encoder};
use super::target::{drifted, quoted};
use super::{PgTransaction, begin_with, classify, query, staging};
use crate::{Advance, ChunkTransaction, Destination, LedgerError, Result, TargetRefusal};

/// COPY data goes out in pieces of about this many bytes.
const PIECE: usize = 128 * 1024;

/// Where an upsert's rows are gathered; it lives as long as its transaction.
const STAGING: &str = "pg_temp.arrivage_chunk";

/// The rows' order in a chunk, so that the last one of a key wins.
const ORDER: &str = "_arrivage_order";

pub(super) struct Chunk {
    tx: PgTransaction,
    lease: Lease,
    destination: Destination,
}

impl Chunk {
    pub(super) async fn begin(
        pool: &PgPool,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Self> {
        // Rows and checkpoint share the transaction: what a crash forgets, it
        // forgets of both. The commit that ends the arrival sets this on.
        let tx = begin_with(pool, Some(lease.id), "off").await?;
        reach(Point::ChunkBegun).map_err(classify::statement)?;
        let mut chunk = Self {
            tx,
            lease: *lease,
            destination: destination.clone(),
        };
        if destination.atomic {
            staging::prepare(&mut chunk.tx, lease, &destination.table).await?;
        }
        Ok(chunk)
    }

    fn columns(&self) -> Vec<String> {
        copy::columns(&self.destination)
    }

    async fn run(&mut self, sql: String) -> Result<()> {
        self.tx
            .execute(&*sql)
            .await
            .map_err(|error| drifted(&self.destination.table.name, error))?;
        Ok(())
    }

    async fn add(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        if self.destination.atomic {
            let table = staging::name(self.lease.arrival);
            return self.copy(rows, range, table, &staging::PLACE).await;
        }
        if let Mode::Upsert { key } = self.destination.mode.clone() {
            self.stage().await?;
            self.copy(rows, range, STAGING.to_owned(), &[ORDER]).await?;
            self.merge(&key).await?;
        } else {
            let table = quoted(&self.destination.table.name);
            self.copy(rows, range, table, &[]).await?;
        }
        self.run("SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await
    }

    /// `places`: further columns of the table, which get the row's record, line and
    /// byte offset, as many as there are.
    async fn copy(
        &mut self,
        rows: &Rows,
        range: Range<usize>,
        table: String,
        places: &[&str],
    ) -> Result<()> {
        let name = self.destination.table.name.clone();
        let mut columns = self.columns();
        columns.extend(places.iter().map(|&place| place.to_owned()));
        let mut encoder = Encoder::new(&self.destination, self.lease.arrival, places.len());
        let statement = format!(
            "COPY {table} ({}) FROM STDIN (FORMAT {})",
            columns.join(", "),
            encoder.format()
        );
        let mut copy = self
            .tx
            .copy_in_raw(&statement)
            .await
            .map_err(|error| drifted(&name, error))?;
        for row in range {
            encoder.push(rows, row);
            if encoder.piece().len() >= PIECE {
                copy.send(encoder.piece())
                    .await
                    .map_err(classify::statement)?;
                encoder.clear();
            }
        }
        encoder.end();
        copy.send(encoder.piece())
            .await
            .map_err(classify::statement)?;
        reach(Point::ChunkCopying).map_err(classify::statement)?;
        copy.finish().await.map_err(|error| drifted(&name, error))?;
        Ok(())
    }

    async fn stage(&mut self) -> Result<()> {
        let table = quoted(&self.destination.table.name);
        let sql = format!(
            "CREATE TEMP TABLE arrivage_chunk ON COMMIT DROP AS \
             SELECT {}, 0::bigint AS {ORDER} FROM {table} WITH NO DATA",
            self.columns().join(", ")
        );
        self.run(sql).await
    }

    async fn merge(&mut self, key: &[String]) -> Result<()> {
        let table = &self.destination.table;
        let merge = staging::merging(table, &self.columns(), key, STAGING, ORDER);
        self.bring_in(&format!("{merge}; DROP TABLE {STAGING}"))
            .await
    }

    async fn bring_in(&mut self, sql: &str) -> Result<()> {
        let table = &self.destination.table.name;
        self.tx.execute(sql).await.map_err(|error| {
            let no_index =
                error.as_database_error().and_then(|e| e.code()).as_deref() == Some("42P10");
            match &self.destination.mode {
                Mode::Upsert { key } if no_index => TargetRefusal::NoUniqueKey {
                    table: table.clone(),
                    key: key.join(", "),
                }
                .into(),
                _ => drifted(table, error),
            }
        })?;
        Ok(())
    }

    async fn show(&mut self, records: &RangeInclusive<u64>) -> Result<()> {
        let Destination { table, mode, .. } = &self.destination;
        let arrival = self.lease.arrival;
        let columns = self.columns();
        if columns.is_empty() {
            return Ok(());
        }
        let sql = staging::publishing(arrival, mode, table, &columns, records);
        self.bring_in(&sql).await?;
        self.run("SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await
    }

    /// Leaves nothing behind of rows that were refused.
    async fn settle(&mut self, added: Result<()>) -> Result<()> {
        match added {
            Ok(()) => self.run("RELEASE SAVEPOINT rows".to_owned()).await,
            Err(refused @ LedgerError::Row { .. }) => {
                self.run("ROLLBACK TO SAVEPOINT rows".to_owned()).await?;
                Err(refused)
            }
            Err(other) => Err(other),
        }
    }
}

#[async_trait]
impl ChunkTransaction for Chunk {
    async fn load(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.run("SAVEPOINT rows".to_owned()).await?;
        let added = self.add(rows, range).await;
        self.settle(added).await
    }

    async fn make_way(&mut self) -> Result<()> {
        staging::make_way(&mut self.tx, &self.lease, &self.destination).await
    }

    async fn publish(&mut self, records: RangeInclusive<u64>) -> Result<()> {
        self.run("SAVEPOINT rows".to_owned()).await?;
        let shown = self.show(&records).await;
        self.settle(shown).await
    }

    async fn reject_staged(&mut self, record: u64, reason: &str) -> Result<()> {
        let (arrival, columns) = (self.lease.arrival, self.columns());
        staging::reject(&mut self.tx, arrival, &columns, record, reason).await
    }

    async fn reject(&mut self, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        fn all<'a, T>(rejects: &'a [Reject], of: impl Fn(&'a Reject) -> T) -> Vec<T> {
            rejects.iter().map(of).collect()
        }
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        query(
            "-- ledger::reject
            INSERT INTO arrivage.reject
              (arrival_id, record, line, byte_offset, column_name, reason_code, reason, raw)
            SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
              $6::text[], $7::text[], $8::text[])",
        )
        .bind(self.lease.arrival.0)
        .bind(all(rejects, |r| number(r.record)))
        .bind(all(rejects, |r| number(r.line)))
        .bind(all(rejects, |r| number(r.byte_offset)))
        .bind(all(rejects, |r| r.column.as_deref()))
        .bind(all(rejects, |r| r.code.as_str()))
        .bind(all(rejects, |r| r.reason.replace('\0', "\u{FFFD}")))
        .bind(all(rejects, |r| r.raw.as_str()))
        .execute(&mut *self.tx)
        .await
        .map_err(classify::statement)?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, advance: &Advance) -> Result<()> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        reach(Point::ChunkCopied).map_err(classify::statement)?;
        if advance.last {
            self.run("SET LOCAL synchronous_commit = on".to_owned())
                .await?;
            if self.destination.atomic {
                staging::discard(&mut self.tx, self.lease.arrival).await?;
            }
        }
        query(
            "-- ledger::advance
            SELECT arrivage.advance($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(self.lease.arrival.0)
        .bind(self.lease.fence.0)
        .bind(self.lease.id.0)
        .bind(number(advance.from_records))
        .bind(number(advance.from_offset))
        .bind(number(advance.to.records))
        .bind(number(advance.to.offset))
        .bind(number(advance.to.bytes_read))
        .bind(advance.to.state.as_deref())
        .bind(advance.loaded)
        .bind(number(advance.rejected))
        .bind(&advance.reading)
        .bind(advance.last)
        .bind(self.destination.order == Order::Newest)
        .execute(&mut *self.tx)
        .await
        .map_err(classify::statement)?;
        reach(Point::ChunkBeforeCommit).map_err(classify::statement)?;
        self.tx.commit().await.map_err(classify::committing)?;
        reach(Point::ChunkCommitted).map_err(classify::committing)
    }

    async fn roll_back(self: Box<Self>) {
        if let Err(error) = self.tx.rollback().await {
            tracing::debug!(%error, "the rollback of a chunk went unanswered");
        }
    }
}
