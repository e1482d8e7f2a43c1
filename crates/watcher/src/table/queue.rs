use std::collections::HashMap;
use std::time::Duration;

use arrivage_model::TableName;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Row, Transaction};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout};

use super::TableSource;
use crate::notification::{self, MAX_BODY};
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// How many rows are read at a time.
const PAGE: i64 = 100;

/// How many bytes of rows are read at a time, beside one that is longer by itself.
const BYTES: i64 = 4 * 1024 * 1024;

/// After so long, a row that has to come again is looked at again; and a table in which
/// more stays than is remembered.
const AGAIN: Duration = Duration::from_secs(30);

/// How many rows that stayed are remembered, so that they are not looked at all the
/// time.
const REMEMBERED: usize = 10_000;

/// A table that nothing came to is looked through for a tenth of the time at most.
const REST: u32 = 9;

const PATIENCE: Duration = Duration::from_secs(10);

/// The server gives a statement up after so long, and the wait for a lock too.
const STATEMENT: Duration = Duration::from_secs(30);

/// Before the first row.
const START: &str = "(0,0)";

/// One table of MinIO's. Nothing outside this file knows sqlx.
///
/// No row is locked while the ledger records it, for MinIO would wait for that; so
/// two watchers may read the same row, which the ledger counts as a duplicate. A row
/// is removed only if it still says what was recorded: one that MinIO has written
/// over in the meantime is another message.
#[derive(Debug)]
pub(crate) struct TableQueue {
    source: TableSource,
    pool: Option<PgPool>,
    /// The column with the event, once it is known.
    column: Option<&'static str>,
    /// The last row of the page before.
    after: String,
    /// Rows that stay for now, by what they say.
    staying: HashMap<String, Staying>,
    walk: Walk,
    /// Until then the table is left alone.
    rested: Instant,
    statement: Duration,
}

/// A row that stays.
#[derive(Debug)]
struct Staying {
    /// When it is looked at again; never, if it was left.
    due: Option<Instant>,
    /// In which walk it was seen last.
    walk: u64,
}

/// One way through the table, from its first row to its last.
#[derive(Debug, Default)]
struct Walk {
    nth: u64,
    /// How long the pages took that brought nothing new.
    took: Duration,
    /// Some rows stayed that could not be remembered.
    forgot: bool,
}

/// Names a row while it says the same.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    ctid: String,
    digest: String,
}

impl Queue for TableQueue {
    type Receipt = Place;

    const LEFT: &'static str = "in the table";

    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<Place>>, QueueError> {
        let end = Instant::now() + wait;
        loop {
            sleep_until(end.min(self.rested)).await;
            if Instant::now() < self.rested {
                return Ok(Vec::new());
            }
            let begin = Instant::now();
            let mut page = self.page().await?;
            let Some(last) = page.last() else {
                self.end_walk();
                continue;
            };
            self.after.clone_from(&last.receipt.ctid);
            let now = Instant::now();
            page.retain(|row| self.is_news(row, now));
            if page.is_empty() {
                self.walk.took += now - begin;
            }
            if !page.is_empty() || now >= end {
                return Ok(page);
            }
        }
    }

    /// What is not recorded stays in the table.
    async fn settle(&mut self, settled: Vec<(Place, Verdict)>) -> Result<Vec<String>, QueueError> {
        let (mut ctids, mut digests) = (Vec::new(), Vec::new());
        for (place, verdict) in settled {
            let due = match verdict {
                Verdict::Recorded => {
                    self.staying.remove(&place.digest);
                    ctids.push(place.ctid);
                    digests.push(place.digest);
                    continue;
                }
                Verdict::Left => None,
                Verdict::Again => Some(Instant::now() + AGAIN),
            };
            let walk = self.walk.nth;
            if self.staying.len() < REMEMBERED || self.staying.contains_key(&place.digest) {
                self.staying.insert(place.digest, Staying { due, walk });
            } else {
                self.walk.forgot = true;
            }
        }
        if !ctids.is_empty() {
            self.remove(&ctids, &digests).await?;
        }
        Ok(Vec::new())
    }
}

impl TableQueue {
    /// Asks nobody yet.
    pub(crate) fn new(source: TableSource) -> Self {
        Self {
            source,
            pool: None,
            column: None,
            after: START.to_owned(),
            staying: HashMap::new(),
            walk: Walk::default(),
            rested: Instant::now(),
            statement: STATEMENT,
        }
    }

    /// Its statements are given up after so long.
    #[cfg(test)]
    pub(super) fn with_patience(source: TableSource, statement: Duration) -> Self {
        Self {
            statement,
            ..Self::new(source)
        }
    }

    /// Looks whether rows can be read and removed, and changes nothing.
    pub(super) async fn look(&mut self) -> Result<(), QueueError> {
        self.page().await?;
        self.remove(&[], &[]).await
    }

    /// Whether a row was not seen before, or is to be looked at again.
    fn is_news(&mut self, row: &Delivery<Place>, now: Instant) -> bool {
        let Some(staying) = self.staying.get_mut(&row.message_id) else {
            return true;
        };
        staying.walk = self.walk.nth;
        staying.due.is_some_and(|due| due < now)
    }

    /// Leaves the table alone for a while.
    fn end_walk(&mut self) {
        START.clone_into(&mut self.after);
        let Walk { nth, took, forgot } = std::mem::take(&mut self.walk);
        self.walk.nth = nth + 1;
        // Those that a person took out meanwhile.
        self.staying.retain(|_, staying| staying.walk == nth);
        let rest = match forgot {
            true => AGAIN,
            false => AGAIN.min(took * REST),
        };
        self.rested = Instant::now() + rest.max(self.source.poll);
    }

    /// The next rows, from the last page's on.
    async fn page(&mut self) -> Result<Vec<Delivery<Place>>, QueueError> {
        let page = timeout(self.statement + PATIENCE, self.read_page()).await;
        self.in_time(page)
    }

    /// Removes rows, those that still say the same.
    async fn remove(&mut self, ctids: &[String], digests: &[String]) -> Result<(), QueueError> {
        let removed = timeout(self.statement + PATIENCE, self.remove_rows(ctids, digests));
        let removed = removed.await;
        self.in_time(removed)
    }

    /// A server that does not answer gives no statement up, either.
    fn in_time<T>(
        &mut self,
        answer: Result<Result<T, QueueError>, Elapsed>,
    ) -> Result<T, QueueError> {
        answer.unwrap_or_else(|late| {
            self.pool = None;
            Err(QueueError::Unavailable(late.into()))
        })
    }

    async fn read_page(&mut self) -> Result<Vec<Delivery<Place>>, QueueError> {
        let column = self.column().await?;
        let mut tx = self.begin().await?;
        let sql = format!(
            "-- watcher::page
            SELECT place::text AS ctid, digest, body FROM (
              SELECT place, digest, body, row_number() OVER rows AS nth,
                sum(octet_length(body)) OVER rows AS until_here
              FROM (
                SELECT ctid AS place, {digest} AS digest, left({column}::text, $2) AS body
                FROM {table} WHERE ctid > $1::text::tid ORDER BY {table}.ctid LIMIT $3
              ) AS page
              WINDOW rows AS (ORDER BY place)
            ) AS page
            WHERE nth = 1 OR until_here <= $4 ORDER BY place",
            digest = digest(column),
            table = quoted(&self.source.table),
        );
        let rows = sqlx::query(&sql)
            .persistent(false)
            .bind(&self.after)
            .bind(i32::try_from(MAX_BODY + 1).unwrap_or(i32::MAX))
            .bind(PAGE)
            .bind(BYTES)
            .fetch_all(&mut *tx)
            .await;
        let rows = rows.map_err(|error| self.explain(error))?;
        tx.commit().await.map_err(|error| self.explain(error))?;
        let delivery = |row: &sqlx::postgres::PgRow| {
            let digest: String = row.get("digest");
            Delivery {
                message_id: digest.clone(),
                receipt: Place {
                    ctid: row.get("ctid"),
                    digest,
                },
                body: notification::head(row.get::<Option<String>, _>("body").unwrap_or_default()),
            }
        };
        Ok(rows.iter().map(delivery).collect())
    }

    async fn remove_rows(
        &mut self,
        ctids: &[String],
        digests: &[String],
    ) -> Result<(), QueueError> {
        let column = self.column().await?;
        let mut tx = self.begin().await?;
        let sql = format!(
            "-- watcher::remove
            DELETE FROM {table} USING unnest($1::text[], $2::text[]) AS recorded (place, said)
            WHERE {table}.ctid = recorded.place::tid AND {digest} = recorded.said",
            digest = digest(column),
            table = quoted(&self.source.table),
        );
        let removed = sqlx::query(&sql)
            .persistent(false)
            .bind(ctids)
            .bind(digests)
            .execute(&mut *tx)
            .await;
        removed.map_err(|error| self.explain(error))?;
        tx.commit().await.map_err(|error| self.explain(error))
    }

    /// The column that holds the event: `event_data` in MinIO's format `access`, `value`
    /// in `namespace`.
    async fn column(&mut self) -> Result<&'static str, QueueError> {
        if let Some(column) = self.column {
            return Ok(column);
        }
        let mut tx = self.begin().await?;
        let names = sqlx::query_scalar::<_, String>(
            "-- watcher::columns
            SELECT attname::text FROM pg_catalog.pg_attribute
            WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
        )
        .persistent(false)
        .bind(quoted(&self.source.table))
        .fetch_all(&mut *tx)
        .await;
        let names = names.map_err(|error| self.explain(error))?;
        tx.commit().await.map_err(|error| self.explain(error))?;
        let is_there = |column: &&str| names.iter().any(|name| name == column);
        let column = ["event_data", "value"].into_iter().find(is_there);
        if column.is_none() {
            return Err(QueueError::Misconfigured {
                what: format!(
                    "the table {} has neither a column event_data nor a column value, and so is \
                     none of MinIO's; correct source.{}.table",
                    self.source.table, self.source.name
                ),
                source: None,
            });
        }
        self.column = column;
        Ok(column.expect("found above"))
    }

    /// The level is said, because a snapshot from before MinIO's last write would make
    /// removing fail; and a pooler may give every transaction another connection.
    async fn begin(&mut self) -> Result<Transaction<'static, Postgres>, QueueError> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = {0}; \
             SET LOCAL lock_timeout = {0}",
            self.statement.as_millis()
        );
        let pool = match &self.pool {
            Some(pool) => pool,
            None => {
                let connection: Result<PgConnectOptions, _> = self.source.url.expose().parse();
                let connection = connection.map_err(|error| self.explain(error))?;
                let connection = connection
                    .application_name("arrivage")
                    .extra_float_digits(None)
                    .statement_cache_capacity(0);
                let pool = PgPoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(PATIENCE)
                    .connect_lazy_with(connection);
                self.pool.insert(pool)
            }
        };
        let tx = pool.begin_with(begin).await;
        tx.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: sqlx::Error) -> QueueError {
        let TableSource {
            name, table, url, ..
        } = &self.source;
        let code = error.as_database_error().and_then(DatabaseError::code);
        let what = match code.as_deref().unwrap_or_default() {
            "42P01" | "3F000" => format!(
                "there is no table {table} in {url}; MinIO makes it when it first connects, or \
                 correct source.{name}.table"
            ),
            "42501" => format!(
                "we may not use the table {table} in {url}; GRANT SELECT, DELETE ON {table}"
            ),
            code if code.starts_with("28") || code == "3D000" => {
                format!("{url} does not let us in; correct source.{name}.url")
            }
            code if code.starts_with("42") => format!("the table {table} cannot be read"),
            _ => return QueueError::Unavailable(error.into()),
        };
        QueueError::misconfigured(what, error)
    }
}

/// The SQL that tells what a row says, in few bytes.
fn digest(column: &str) -> String {
    format!("encode(sha256(convert_to(coalesce({column}::text, ''), 'UTF8')), 'hex')")
}

fn quoted(table: &TableName) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}
