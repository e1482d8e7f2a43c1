use std::collections::HashMap;
use std::time::Duration;

use arrivage_model::TableName;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Row, Transaction};
use tokio::time::{Instant, sleep_until};

use super::TableSource;
use crate::notification::MAX_BODY;
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// How many rows are read at a time.
const PAGE: i64 = 100;

/// After so long, a row that stayed is looked at again.
const AGAIN: Duration = Duration::from_secs(30);

/// How many rows that stayed are remembered, so that they are not looked at all the
/// time.
const REMEMBERED: usize = 10_000;

const PATIENCE: Duration = Duration::from_secs(10);

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
    staying: HashMap<String, Instant>,
}

/// Names a row while it says the same.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    ctid: String,
    digest: String,
}

impl Queue for TableQueue {
    type Receipt = Place;

    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<Place>>, QueueError> {
        let end = Instant::now() + wait;
        loop {
            let page = self.page().await?;
            match page.last() {
                Some(last) => self.after.clone_from(&last.receipt.ctid),
                None => START.clone_into(&mut self.after),
            }
            let now = Instant::now();
            let is_whole = page.is_empty();
            let news: Vec<_> = page
                .into_iter()
                .filter(|row| {
                    self.staying
                        .get(&row.message_id)
                        .is_none_or(|due| *due < now)
                })
                .collect();
            if !news.is_empty() || now >= end {
                return Ok(news);
            }
            if is_whole {
                sleep_until(end.min(now + self.source.poll)).await;
            }
        }
    }

    /// What is not recorded stays in the table.
    async fn settle(&mut self, settled: Vec<(Place, Verdict)>) -> Result<Vec<String>, QueueError> {
        let (mut ctids, mut digests) = (Vec::new(), Vec::new());
        let now = Instant::now();
        self.staying.retain(|_, due| *due >= now);
        for (place, verdict) in settled {
            if verdict == Verdict::Recorded {
                ctids.push(place.ctid);
                digests.push(place.digest);
            } else if self.staying.len() < REMEMBERED {
                self.staying.insert(place.digest, now + AGAIN);
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
        }
    }

    /// Looks whether rows can be read and removed, and changes nothing.
    pub(super) async fn look(&mut self) -> Result<(), QueueError> {
        self.page().await?;
        self.remove(&[], &[]).await
    }

    /// The next rows, from the last page's on.
    async fn page(&mut self) -> Result<Vec<Delivery<Place>>, QueueError> {
        let column = self.column().await?;
        let mut tx = self.begin().await?;
        let sql = format!(
            "-- watcher::page
            SELECT ctid::text AS ctid, {digest} AS digest, left({column}::text, $2) AS body
            FROM {table} WHERE ctid > $1::text::tid ORDER BY {table}.ctid LIMIT $3",
            digest = digest(column),
            table = quoted(&self.source.table),
        );
        let rows = sqlx::query(&sql)
            .persistent(false)
            .bind(&self.after)
            .bind(i32::try_from(MAX_BODY + 1).unwrap_or(i32::MAX))
            .bind(PAGE)
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
                body: row
                    .get::<Option<String>, _>("body")
                    .unwrap_or_default()
                    .into_bytes(),
            }
        };
        Ok(rows.iter().map(delivery).collect())
    }

    /// Removes rows, those that still say the same.
    async fn remove(&mut self, ctids: &[String], digests: &[String]) -> Result<(), QueueError> {
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
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

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
        let tx = pool.begin_with(BEGIN).await;
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
