use arrivage_model::{Arrival, ArrivalId, ETag, State, StoreKind, VersionId};
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Decode, QueryBuilder, Row, Sqlite, SqliteConnection, Type};

use super::classify;
use super::database::Database;
use crate::{Filter, LedgerError, RejectedRecord, Result};

/// Rows looked at in one go while a glob picks among them.
const PAGE: usize = 1000;

pub(super) async fn arrivals(
    database: &Database,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Arrival>> {
    // Without a glob, every row that is looked at is one that is wanted.
    let rows = match filter.key {
        None => limit.min(PAGE),
        Some(_) => PAGE,
    };
    let mut found = Vec::new();
    let mut before = filter.before;
    while found.len() < limit {
        let page = page(database, filter, before, rows).await?;
        before = page.last().map(|arrival| arrival.id);
        let is_last = page.len() < rows;
        let matches = |arrival: &Arrival| {
            filter
                .key
                .as_ref()
                .is_none_or(|glob| glob.is_match(&arrival.key))
        };
        found.extend(page.into_iter().filter(matches).take(limit - found.len()));
        if is_last {
            break;
        }
    }
    Ok(found)
}

/// Only the conditions that are asked for, so that each finds its index.
async fn page(
    database: &Database,
    filter: &Filter,
    before: Option<ArrivalId>,
    rows: usize,
) -> Result<Vec<Arrival>> {
    let moment = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut select =
        QueryBuilder::new("-- ledger::arrivals\nSELECT * FROM arrivage_arrivals WHERE TRUE");
    if let Some(state) = filter.state {
        select.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(pipeline) = &filter.pipeline {
        select.push(" AND pipeline = ").push_bind(pipeline);
    }
    if let Some(since) = filter.since {
        select
            .push(" AND registered_at >= ")
            .push_bind(moment(since));
    }
    if let Some(until) = filter.until {
        select
            .push(" AND registered_at < ")
            .push_bind(moment(until));
    }
    if let Some(before) = before {
        select.push(" AND id < ").push_bind(before.0);
    }
    select
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(rows as i64);
    let rows = select
        .build()
        .fetch_all(database.reading())
        .await
        .map_err(classify::statement)?;
    rows.iter().map(read).collect()
}

pub(super) async fn arrival(database: &Database, id: ArrivalId) -> Result<Option<Arrival>> {
    let mut connection = database
        .reading()
        .acquire()
        .await
        .map_err(classify::statement)?;
    find(&mut connection, id).await
}

pub(super) async fn checkpoint_state(database: &Database, id: ArrivalId) -> Result<Option<String>> {
    let state: Option<Option<String>> = sqlx::query_scalar(
        "-- ledger::checkpoint_state
        SELECT checkpoint_state FROM arrivage_arrival WHERE id = ?1",
    )
    .bind(id.0)
    .fetch_optional(database.reading())
    .await
    .map_err(classify::statement)?;
    Ok(state.flatten())
}

pub(super) async fn arrivals_among(database: &Database, ids: &[ArrivalId]) -> Result<Vec<Arrival>> {
    let rows = sqlx::query(
        "-- ledger::arrivals_among
        SELECT * FROM arrivage_arrivals WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id",
    )
    .bind(Json(ids))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    rows.iter().map(read).collect()
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: ArrivalId,
) -> Result<Option<Arrival>> {
    let row = sqlx::query("-- ledger::arrival\nSELECT * FROM arrivage_arrivals WHERE id = ?1")
        .bind(id.0)
        .fetch_optional(connection)
        .await
        .map_err(classify::statement)?;
    row.as_ref().map(read).transpose()
}

/// A row of the view.
pub(super) fn read(row: &SqliteRow) -> Result<Arrival> {
    Ok(Arrival {
        id: ArrivalId(get(row, "id")?),
        pipeline: get(row, "pipeline")?,
        url: get(row, "url")?,
        store: store(row)?,
        bucket: get(row, "bucket")?,
        key: get(row, "key")?,
        etag: ETag::kept(get(row, "etag")?),
        version_id: get::<Option<&str>>(row, "version_id")?.and_then(VersionId::parse),
        size: get(row, "size")?,
        last_modified: get(row, "last_modified")?,
        sequencer: get(row, "sequencer")?,
        state: state(row)?,
        attempts: get(row, "attempts")?,
        fence: get(row, "fence")?,
        owner: get(row, "owner")?,
        lease_until: get(row, "lease_until")?,
        due_at: get(row, "due_at")?,
        bytes_read: get(row, "bytes_read")?,
        records_loaded: get(row, "records_loaded")?,
        records_rejected: get(row, "records_rejected")?,
        checkpoint_records: get(row, "checkpoint_records")?,
        checkpoint_offset: get(row, "checkpoint_offset")?,
        duplicate_notifications: get(row, "duplicate_notifications")?,
        error_code: get(row, "error_code")?,
        error: get(row, "error")?,
        registered_at: get(row, "registered_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
    })
}

/// A column of a row. SQLite's columns hold whatever a person wrote there, so that
/// reading one may fail.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(classify::statement)
}

/// The state that a row names.
pub(super) fn state(row: &SqliteRow) -> Result<State> {
    let word: &str = get(row, "state")?;
    word.parse().map_err(|_| unreadable("state", word))
}

/// The store that a row names.
pub(super) fn store(row: &SqliteRow) -> Result<StoreKind> {
    match get(row, "store")? {
        "s3" => Ok(StoreKind::S3),
        "folder" => Ok(StoreKind::Folder),
        other => Err(unreadable("store", other)),
    }
}

fn unreadable(column: &str, value: &str) -> LedgerError {
    LedgerError::Version(format!(
        "{value:?} in column {column} is not of this program's ledger"
    ))
}

pub(super) async fn rejects(
    database: &Database,
    id: ArrivalId,
    after: u64,
    limit: usize,
) -> Result<Vec<RejectedRecord>> {
    let rows = sqlx::query(
        "-- ledger::rejects
        SELECT * FROM arrivage_rejects WHERE arrival_id = ?1 AND record > ?2
        ORDER BY record LIMIT ?3",
    )
    .bind(id.0)
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    rows.iter().map(read_reject).collect()
}

fn read_reject(row: &SqliteRow) -> Result<RejectedRecord> {
    Ok(RejectedRecord {
        arrival_id: ArrivalId(get(row, "arrival_id")?),
        record: get(row, "record")?,
        line: get(row, "line")?,
        byte_offset: get(row, "byte_offset")?,
        column_name: get(row, "column_name")?,
        reason_code: get(row, "reason_code")?,
        reason: get(row, "reason")?,
        raw: get(row, "raw")?,
        rejected_at: get(row, "rejected_at")?,
    })
}
