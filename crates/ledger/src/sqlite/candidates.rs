use arrivage_model::ArrivalId;
use sqlx::types::Json;
use sqlx::{Row, SqliteConnection};

use super::classify;
use crate::{Along, Result, Scope};

/// What a claim may take, and whether its attempts are used up already.
pub(super) struct Candidate {
    pub(super) id: ArrivalId,
    pub(super) used_up: bool,
}

/// What a claim of this scope takes first: expired arrivals before due ones.
pub(super) async fn candidate(
    connection: &mut SqliteConnection,
    pipelines: &[String],
    scope: &Scope,
    owner: &str,
) -> Result<Option<Candidate>> {
    let open = open(connection, pipelines).await?;
    match scope {
        Scope::Any | Scope::Owner => match expired(connection, &open).await? {
            Some(candidate) => Ok(Some(candidate)),
            None => due(connection, &open).await,
        },
        Scope::Among(ids) => named(connection, &open, ids, false, None).await,
        Scope::One { id, taking_over } => {
            let own = taking_over.then_some(owner);
            named(connection, &open, &[*id], true, own).await
        }
    }
}

/// Those of these pipelines that are declared and not held.
async fn open(connection: &mut SqliteConnection, pipelines: &[String]) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "-- ledger::open
        SELECT name FROM arrivage_pipeline
        WHERE paused_reason IS NULL AND name IN (SELECT value FROM json_each(?1))",
    )
    .bind(Json(pipelines))
    .fetch_all(connection)
    .await
    .map_err(classify::statement)
}

async fn expired(connection: &mut SqliteConnection, open: &[String]) -> Result<Option<Candidate>> {
    let row = sqlx::query(
        "-- ledger::expired
        SELECT a.id, a.barren >= p.max_attempts AS used_up
        FROM arrivage_arrival a JOIN arrivage_pipeline p ON p.name = a.pipeline
        WHERE a.state = 'loading' AND a.pipeline IN (SELECT value FROM json_each(?1))
          AND a.lease_until <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
        ORDER BY a.lease_until, a.id LIMIT 1",
    )
    .bind(Json(open))
    .fetch_optional(connection)
    .await
    .map_err(classify::statement)?;
    Ok(row.map(|row| Candidate {
        id: ArrivalId(row.get("id")),
        used_up: row.get("used_up"),
    }))
}

/// The first of each pipeline, from its index, and of these the first: a long queue
/// is never sorted.
async fn due(connection: &mut SqliteConnection, open: &[String]) -> Result<Option<Candidate>> {
    let id: Option<i64> = sqlx::query_scalar(
        "-- ledger::due
        SELECT first.id
        FROM json_each(?1) AS open JOIN arrivage_arrival first ON first.id = (
          SELECT a.id FROM arrivage_arrival a
          WHERE a.state = 'waiting' AND a.pipeline = open.value
            AND a.due_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
          ORDER BY a.due_at, a.id LIMIT 1)
        ORDER BY first.due_at, first.id LIMIT 1",
    )
    .bind(Json(open))
    .fetch_optional(connection)
    .await
    .map_err(classify::statement)?;
    Ok(id.map(|id| Candidate {
        id: ArrivalId(id),
        used_up: false,
    }))
}

/// Small arrivals among the next ones that are due, of which nothing is loaded and whose
/// last claim did not end without a word.
pub(super) async fn small(
    connection: &mut SqliteConnection,
    pipeline: &str,
    scope: &Scope,
    along: Along,
) -> Result<Vec<ArrivalId>> {
    let only = match scope {
        Scope::Any => None,
        Scope::Among(ids) => Some(Json(ids)),
        Scope::Owner | Scope::One { .. } => return Ok(Vec::new()),
    };
    let ids: Vec<i64> = sqlx::query_scalar(
        "-- ledger::small
        SELECT near.id FROM (
          SELECT a.* FROM arrivage_arrival a JOIN arrivage_pipeline p ON p.name = a.pipeline
          WHERE a.state = 'waiting' AND a.pipeline = ?1 AND p.paused_reason IS NULL
            AND p.max_attempts > 1
            AND a.due_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            AND (?2 IS NULL OR a.id IN (SELECT value FROM json_each(?2)))
          ORDER BY a.due_at, a.id LIMIT ?3) AS near
        WHERE near.size <= ?4 AND near.barren = 0 AND NOT near.restart
          AND near.checkpoint_records = 0 AND near.checkpoint_offset = 0
        ORDER BY near.due_at, near.id",
    )
    .bind(pipeline)
    .bind(only)
    .bind(i64::try_from(along.most).unwrap_or(i64::MAX))
    .bind(i64::try_from(along.bytes).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await
    .map_err(classify::statement)?;
    Ok(ids.into_iter().map(ArrivalId).collect())
}

/// `before_due`: also those that are not due; `own`: also under this owner's lease.
async fn named(
    connection: &mut SqliteConnection,
    open: &[String],
    ids: &[ArrivalId],
    before_due: bool,
    own: Option<&str>,
) -> Result<Option<Candidate>> {
    let row = sqlx::query(
        "-- ledger::named
        SELECT a.id, a.state = 'loading' AND a.barren >= p.max_attempts AS used_up
        FROM arrivage_arrival a JOIN arrivage_pipeline p ON p.name = a.pipeline
        WHERE a.id IN (SELECT value FROM json_each(?2))
          AND a.pipeline IN (SELECT value FROM json_each(?1))
          AND CASE a.state
            WHEN 'waiting' THEN ?3 OR a.due_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            WHEN 'loading' THEN a.owner = ?4
              OR a.lease_until <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
          END
        ORDER BY a.state = 'waiting',
          CASE a.state WHEN 'waiting' THEN a.due_at ELSE a.lease_until END, a.id LIMIT 1",
    )
    .bind(Json(open))
    .bind(Json(ids))
    .bind(before_due)
    .bind(own)
    .fetch_optional(connection)
    .await
    .map_err(classify::statement)?;
    Ok(row.map(|row| Candidate {
        id: ArrivalId(row.get("id")),
        used_up: row.get("used_up"),
    }))
}
