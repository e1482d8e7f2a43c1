//! The transaction of one chunk: COPY, rejects, and last the fenced advance.

use std::ops::{Range, RangeInclusive};

use arrivage_fault::{Point, reach};
use arrivage_model::{ArrivalId, Lease, Mode, Order, Reject, Rows};
use async_trait::async_trait;
use sqlx::{Executor, PgPool};

use super::copy::{self, Encoder};
use super::statements::Often;
use super::target::{drifted, quoted};
use super::{PgTransaction, begin_with, classify, query, staging};
use crate::{Advance, ChunkTransaction, Destination, LedgerError, Result, TargetRefusal, Whole};

/// COPY data goes out in pieces of about this many bytes.
const PIECE: usize = 128 * 1024;

/// Where an upsert's rows are gathered; it lives as long as its transaction.
const STAGING: &str = "pg_temp.arrivage_chunk";

/// The rows' order in a chunk, so that the last one of a key wins.
const ORDER: &str = "_arrivage_order";

/// Rows that are refused are undone without the others.
const SAVEPOINT: &str = "SAVEPOINT rows";

/// Some rows of an arrival.
type Part<'a> = (ArrivalId, &'a Rows, Range<usize>);

pub(super) struct Chunk {
    tx: PgTransaction,
    often: Often,
    lease: Lease,
    destination: Destination,
    /// A savepoint stands behind what was done so far.
    saved: bool,
}

impl Chunk {
    /// Begins, with a savepoint if rows come next.
    pub(super) async fn begin(
        pool: &PgPool,
        often: Often,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Self> {
        // Rows and checkpoint share the transaction: what a crash forgets, it
        // forgets of both. The commit that ends the arrival sets this on.
        let saved = !destination.atomic;
        let next: &[_] = if saved { &[SAVEPOINT] } else { &[] };
        let tx = begin_with(pool, Some(lease.id), "off", next).await?;
        reach(Point::ChunkBegun).map_err(classify::statement)?;
        let mut chunk = Self {
            tx,
            often,
            lease: *lease,
            destination: destination.clone(),
            saved,
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

    async fn save(&mut self) -> Result<()> {
        if std::mem::take(&mut self.saved) {
            return Ok(());
        }
        self.run(SAVEPOINT.to_owned()).await
    }

    async fn add(&mut self, rows: &Rows, range: Range<usize>) -> Result<()> {
        let part = (self.lease.arrival, rows, range);
        if self.destination.atomic {
            let table = staging::name(self.lease.arrival);
            return self.copy(&[part], table, &staging::PLACE).await;
        }
        if let Mode::Upsert { key } = self.destination.mode.clone() {
            self.stage().await?;
            self.copy(&[part], STAGING.to_owned(), &[ORDER]).await?;
            self.merge(&key).await?;
        } else {
            let table = quoted(&self.destination.table.name);
            self.copy(&[part], table, &[]).await?;
        }
        Ok(())
    }

    /// All that the commit needs of these files, in their order.
    async fn add_together(&mut self, files: &[Whole<'_>]) -> Result<()> {
        let with_rows = files.iter().filter(|file| !file.rows.is_empty());
        let parts: Vec<Part<'_>> = with_rows.map(whole).collect();
        if !parts.is_empty() {
            let table = quoted(&self.destination.table.name);
            self.copy(&parts, table, &[]).await?;
        }
        let rejects = files
            .iter()
            .flat_map(|file| file.rejects.iter().map(|one| (file.lease.arrival, one)));
        insert_rejects(&mut self.tx, &rejects.collect::<Vec<_>>()).await?;
        reach(Point::ChunkCopied).map_err(classify::statement)?;
        self.run("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL synchronous_commit = on".to_owned())
            .await?;
        // Whoever locks several arrivals locks them in the order of their ids.
        let mut files: Vec<&Whole<'_>> = files.iter().collect();
        files.sort_by_key(|file| file.lease.arrival);
        advance_together(&mut self.tx, &files, self.destination.order).await
    }

    async fn end(self) -> Result<()> {
        reach(Point::ChunkBeforeCommit).map_err(classify::statement)?;
        self.tx.commit().await.map_err(classify::committing)?;
        reach(Point::ChunkCommitted).map_err(classify::committing)
    }

    /// `places`: further columns of the table, which get the row's record, line and
    /// byte offset, as many as there are.
    async fn copy(&mut self, parts: &[Part<'_>], table: String, places: &[&str]) -> Result<()> {
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
        for (arrival, rows, range) in parts {
            encoder.turn_to(*arrival);
            for row in range.clone() {
                encoder.push(rows, row);
                if encoder.piece().len() >= PIECE {
                    copy.send(encoder.piece())
                        .await
                        .map_err(classify::statement)?;
                    encoder.clear();
                }
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
        self.bring_in(&sql).await
    }

    /// Leaves nothing behind of rows that were refused, be it now or by what else waits
    /// for the commit. `gathered`: they are not in the table yet.
    async fn settle(&mut self, added: Result<()>, gathered: bool) -> Result<()> {
        let judged = match added {
            Ok(()) => {
                let judge = if gathered {
                    ""
                } else {
                    "SET CONSTRAINTS ALL IMMEDIATE; "
                };
                self.run(format!("{judge}RELEASE SAVEPOINT rows")).await
            }
            refused => refused,
        };
        match judged {
            Ok(()) => Ok(()),
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
        self.save().await?;
        let added = self.add(rows, range).await;
        self.settle(added, self.destination.atomic).await
    }

    async fn make_way(&mut self) -> Result<()> {
        self.saved = false;
        staging::make_way(&mut self.tx, &self.lease, &self.destination).await
    }

    async fn publish(&mut self, records: RangeInclusive<u64>) -> Result<()> {
        self.save().await?;
        let shown = self.show(&records).await;
        self.settle(shown, false).await
    }

    async fn reject_staged(&mut self, record: u64, reason: &str) -> Result<()> {
        let (arrival, columns) = (self.lease.arrival, self.columns());
        staging::reject(&mut self.tx, arrival, &columns, record, reason).await
    }

    async fn reject(&mut self, rejects: &[Reject]) -> Result<()> {
        let own = |reject| (self.lease.arrival, reject);
        let rejects: Vec<_> = rejects.iter().map(own).collect();
        insert_rejects(&mut self.tx, &rejects).await
    }

    async fn commit(mut self: Box<Self>, advance: &Advance) -> Result<()> {
        reach(Point::ChunkCopied).map_err(classify::statement)?;
        if advance.last && self.destination.atomic {
            staging::discard(&mut self.tx, self.lease.arrival).await?;
        }
        let advancing = self.often.query(
            "-- ledger::advance
            SELECT CASE WHEN $13 THEN set_config('synchronous_commit', 'on', true) END,
              arrivage.advance($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        );
        advancing
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
        self.end().await
    }

    async fn roll_back(self: Box<Self>) {
        if let Err(error) = self.tx.rollback().await {
            tracing::debug!(%error, "the rollback of a chunk went unanswered");
        }
    }
}

/// Loads whole files, each with its rejects, and says `loaded` of each.
pub(super) async fn load_together(
    pool: &PgPool,
    often: Often,
    destination: &Destination,
    files: &[Whole<'_>],
) -> Result<()> {
    let Some(first) = files.first() else {
        return Ok(());
    };
    // Claimed together, they have one lease id, by which the reaper finds this backend.
    let mut chunk = Chunk::begin(pool, often, &first.lease, destination).await?;
    match chunk.add_together(files).await {
        Ok(()) => chunk.end().await,
        Err(error) => {
            Box::new(chunk).roll_back().await;
            Err(error)
        }
    }
}

fn whole<'a>(file: &Whole<'a>) -> Part<'a> {
    (file.lease.arrival, file.rows, 0..file.rows.len())
}

fn all<'a, T, U>(of: &'a [T], value: impl Fn(&'a T) -> U) -> Vec<U> {
    of.iter().map(value).collect()
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

async fn insert_rejects(tx: &mut PgTransaction, rejects: &[(ArrivalId, &Reject)]) -> Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    query(
        "-- ledger::reject
        INSERT INTO arrivage.reject
          (arrival_id, record, line, byte_offset, column_name, reason_code, reason, raw)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
          $6::text[], $7::text[], $8::text[])",
    )
    .bind(all(rejects, |(arrival, _)| arrival.0))
    .bind(all(rejects, |(_, r)| number(r.record)))
    .bind(all(rejects, |(_, r)| number(r.line)))
    .bind(all(rejects, |(_, r)| number(r.byte_offset)))
    .bind(all(rejects, |(_, r)| r.column.as_deref()))
    .bind(all(rejects, |(_, r)| r.code.as_str()))
    .bind(all(rejects, |(_, r)| r.reason.replace('\0', "\u{FFFD}")))
    .bind(all(rejects, |(_, r)| r.raw.as_str()))
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

/// The last statement: each file from its start to its end, or none.
async fn advance_together(
    tx: &mut PgTransaction,
    files: &[&Whole<'_>],
    order: Order,
) -> Result<()> {
    query(
        "-- ledger::advance_together
        SELECT arrivage.advance(f.id, f.fence, f.lease, f.from_records, f.from_offset, f.records,
          f.byte_offset, f.bytes_read, f.state, f.loaded, f.rejected, f.reading, true, $13)
        FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[],
          $12::text[])
          AS f (id, fence, lease, from_records, from_offset, records, byte_offset, bytes_read,
            state, loaded, rejected, reading)",
    )
    .bind(all(files, |file| file.lease.arrival.0))
    .bind(all(files, |file| file.lease.fence.0))
    .bind(all(files, |file| file.lease.id.0))
    .bind(all(files, |file| number(file.advance.from_records)))
    .bind(all(files, |file| number(file.advance.from_offset)))
    .bind(all(files, |file| number(file.advance.to.records)))
    .bind(all(files, |file| number(file.advance.to.offset)))
    .bind(all(files, |file| number(file.advance.to.bytes_read)))
    .bind(all(files, |file| file.advance.to.state.as_deref()))
    .bind(all(files, |file| file.advance.loaded))
    .bind(all(files, |file| number(file.advance.rejected)))
    .bind(all(files, |file| file.advance.reading.as_str()))
    .bind(order == Order::Newest)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}
