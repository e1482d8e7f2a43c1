use std::collections::BTreeMap;

use arrivage_model::{Arrival, ArrivalId, ETag, Location, State, StoreKind, VersionId};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{PgTransaction, begin, classify, commit, query, query_scalar};
use crate::{Backlog, Filter, Ignored, LedgerError, RejectedRecord, Replay, Replayed, Result};

/// Rows looked at in one go while a glob picks among them.
const PAGE: usize = 1000;

pub(super) async fn arrivals(pool: &PgPool, filter: &Filter, limit: usize) -> Result<Vec<Arrival>> {
    let rows = page_of(filter, limit);
    let mut found = Vec::new();
    let mut before = filter.before;
    loop {
        let page = page(pool, filter, before, rows).await?;
        before = page.last().map(|arrival| arrival.id);
        let full = page.len() == rows;
        let matches = |arrival: &Arrival| {
            filter
                .key
                .as_ref()
                .is_none_or(|glob| glob.is_match(&arrival.key))
        };
        found.extend(page.into_iter().filter(matches).take(limit - found.len()));
        if !full || found.len() >= limit {
            return Ok(found);
        }
    }
}

/// Without a glob, every row that is looked at is one that is wanted.
fn page_of(filter: &Filter, limit: usize) -> usize {
    match filter.key {
        None => limit.clamp(1, PAGE),
        Some(_) => PAGE,
    }
}

async fn page(
    pool: &PgPool,
    filter: &Filter,
    before: Option<ArrivalId>,
    rows: usize,
) -> Result<Vec<Arrival>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::arrivals
        SELECT * FROM arrivage.arrivals
        WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR pipeline = $2)
          AND ($3::timestamptz IS NULL OR registered_at >= $3)
          AND ($4::timestamptz IS NULL OR registered_at < $4)
          AND ($5::bigint IS NULL OR id < $5)
        ORDER BY id DESC LIMIT $6",
    )
    .bind(filter.state.map(State::as_str))
    .bind(filter.pipeline.as_deref())
    .bind(filter.since)
    .bind(filter.until)
    .bind(before.map(|id| id.0))
    .bind(rows as i64)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn arrival(pool: &PgPool, id: ArrivalId) -> Result<Option<Arrival>> {
    let mut tx = begin(pool).await?;
    let row = query("-- ledger::arrival\nSELECT * FROM arrivage.arrivals WHERE id = $1")
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await
        .map_err(classify::statement)?;
    commit(tx).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn checkpoint_state(pool: &PgPool, id: ArrivalId) -> Result<Option<String>> {
    let mut tx = begin(pool).await?;
    let sql =
        "-- ledger::checkpoint_state\nSELECT checkpoint_state FROM arrivage.arrival WHERE id = $1";
    let state: Option<Option<String>> = query_scalar(sql)
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await
        .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(state.flatten())
}

pub(super) async fn arrivals_among(pool: &PgPool, ids: &[ArrivalId]) -> Result<Vec<Arrival>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::arrivals_among
        SELECT * FROM arrivage.arrivals WHERE id = ANY ($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    rows.iter().map(read).collect()
}

/// A row of the view.
pub(super) fn read(row: &PgRow) -> Result<Arrival> {
    let get = |column: &str| row.try_get::<i64, _>(column).map_err(classify::statement);
    Ok(Arrival {
        id: ArrivalId(get("id")?),
        pipeline: row.get("pipeline"),
        url: row.get("url"),
        store: store(row)?,
        bucket: row.get("bucket"),
        key: row.get("key"),
        etag: ETag::kept(row.try_get("etag").map_err(classify::statement)?),
        version_id: row
            .get::<Option<&str>, _>("version_id")
            .and_then(VersionId::parse),
        size: row.get("size"),
        last_modified: row.get("last_modified"),
        sequencer: row.get("sequencer"),
        state: state(row)?,
        attempts: row.get("attempts"),
        fence: get("fence")?,
        owner: row.get("owner"),
        lease_until: row.get("lease_until"),
        due_at: row.get("due_at"),
        bytes_read: get("bytes_read")?,
        records_loaded: get("records_loaded")?,
        records_rejected: get("records_rejected")?,
        checkpoint_records: get("checkpoint_records")?,
        checkpoint_offset: get("checkpoint_offset")?,
        duplicate_notifications: get("duplicate_notifications")?,
        error_code: row.get("error_code"),
        error: row.get("error"),
        registered_at: row.get("registered_at"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
    })
}

/// The state that a row names.
pub(super) fn state(row: &PgRow) -> Result<State> {
    let word: &str = row.try_get("state").map_err(classify::statement)?;
    word.parse().map_err(|_| unreadable("state", word))
}

fn store(row: &PgRow) -> Result<StoreKind> {
    match row.try_get("store").map_err(classify::statement)? {
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
    pool: &PgPool,
    id: ArrivalId,
    after: u64,
    limit: usize,
) -> Result<Vec<RejectedRecord>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::rejects
        SELECT * FROM arrivage.rejects WHERE arrival_id = $1 AND record > $2
        ORDER BY record LIMIT $3",
    )
    .bind(id.0)
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    let read = |row: &PgRow| RejectedRecord {
        arrival_id: id,
        record: row.get("record"),
        line: row.get("line"),
        byte_offset: row.get("byte_offset"),
        column_name: row.get("column_name"),
        reason_code: row.get("reason_code"),
        reason: row.get("reason"),
        raw: row.get("raw"),
        rejected_at: row.get("rejected_at"),
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn ignored(pool: &PgPool, limit: usize) -> Result<Vec<Ignored>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::ignored
        SELECT store, bucket, key, size, source, seen_at FROM arrivage.ignored_object
        ORDER BY id DESC LIMIT $1",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Ignored {
                location: Location {
                    store: store(row)?,
                    bucket: row.get("bucket"),
                    key: row.get("key"),
                },
                size: row
                    .get::<Option<i64>, _>("size")
                    .and_then(|size| u64::try_from(size).ok()),
                source: row.get("source"),
                seen_at: row.get("seen_at"),
            })
        })
        .collect()
}

/// Locks arrivals in the order of their ids, and says how each stands.
pub(super) async fn lock(tx: &mut PgTransaction, ids: &[i64]) -> Result<BTreeMap<i64, State>> {
    let rows = query(
        "-- ledger::lock
        SELECT id, state FROM arrivage.arrival WHERE id = ANY ($1)
        ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await
    .map_err(classify::statement)?;
    rows.iter()
        .map(|row| Ok((row.get("id"), state(row)?)))
        .collect()
}

pub(super) async fn replay(pool: &PgPool, ids: &[ArrivalId], how: Replay) -> Result<Vec<Replayed>> {
    let from_start = matches!(how, Replay::FromStart | Replay::FromStartByForce);
    let force = matches!(how, Replay::ContinueByForce | Replay::FromStartByForce);
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    let states = lock(&mut tx, &numbers).await?;
    let answer = |id: &ArrivalId| match states.get(&id.0) {
        None => Replayed::Unknown,
        Some(State::Loading) if !force => Replayed::Loading,
        Some(State::Loaded) if !from_start => Replayed::AlreadyLoaded,
        Some(_) => Replayed::Queued,
    };
    let answers: Vec<Replayed> = ids.iter().map(answer).collect();
    let queued: Vec<i64> = numbers
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Replayed::Queued)
        .map(|(id, _)| *id)
        .collect();
    query(
        "-- ledger::replay
        UPDATE arrivage.arrival SET
          state = 'waiting', restart = restart OR $2, fence = fence + 1, barren = 0,
          due_at = clock_timestamp(), lease_until = NULL,
          error_code = NULL, error = NULL, finished_at = NULL
        WHERE id = ANY ($1)",
    )
    .bind(queued)
    .bind(from_start)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(answers)
}

pub(super) async fn backlog(pool: &PgPool) -> Result<Vec<Backlog>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::backlog
        SELECT pipeline, waiting, loading, outstanding FROM arrivage.backlog ORDER BY pipeline",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    let read = |row: &PgRow| Backlog {
        pipeline: row.get("pipeline"),
        waiting: row.get("waiting"),
        loading: row.get("loading"),
        outstanding: row.get("outstanding"),
    };
    Ok(rows.iter().map(read).collect())
}
