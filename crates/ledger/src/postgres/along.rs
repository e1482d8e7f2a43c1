//! Small arrivals that are claimed along with one.

use std::time::Duration;

use arrivage_fault::{Point, reach};
use sqlx::{PgPool, Row};

use super::claiming::{Walk, read};
use super::{begin, classify, commit, history, microseconds, query};
use crate::{Along, Claim, Result, Scope};

/// Looks at as many as it may take, and takes what is small of them: what it passes by,
/// and what another holds, is for a claim of its own.
pub(super) async fn claim(
    pool: &PgPool,
    walk: &Walk,
    first: &Claim,
    scope: &Scope,
    along: Along,
    owner: &str,
    length: Duration,
) -> Result<Vec<Claim>> {
    let only = match scope {
        Scope::Any => None,
        Scope::Among(ids) => Some(ids.iter().map(|id| id.0).collect::<Vec<_>>()),
        Scope::Owner | Scope::One { .. } => return Ok(Vec::new()),
    };
    let from = walk.begin().filter(|_| *scope == Scope::Any);
    let mut tx = begin(pool).await?;
    reach(Point::ClaimBegun).map_err(classify::statement)?;
    // Locked inside a MATERIALIZED CTE, as in ledger::claim.
    let rows = query(
        "-- ledger::claim_along
        WITH near AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.state = 'waiting' AND p.paused_reason IS NULL AND a.pipeline = $1
            AND p.max_attempts > 1
            AND a.due_at <= statement_timestamp()
            AND ($2::bigint[] IS NULL OR a.id = ANY ($2))
            AND ($3::timestamptz IS NULL OR (a.due_at, a.id) >= ($3, $4))
          ORDER BY a.due_at, a.id LIMIT $5
        ), small AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a
          WHERE a.id IN (SELECT id FROM near) AND a.state = 'waiting' AND a.size <= $6
            AND a.barren = 0 AND a.checkpoint_records = 0 AND a.checkpoint_offset = 0
            AND NOT a.restart
          ORDER BY a.id FOR NO KEY UPDATE OF a SKIP LOCKED
        ), taken AS (
          UPDATE arrivage.arrival a SET
            state = 'loading', attempts = attempts + 1, barren = barren + 1, fence = fence + 1,
            lease_id = $7, owner = $8, started_at = clock_timestamp(), finished_at = NULL,
            lease_until = clock_timestamp() + $9 * interval '1 microsecond'
          FROM small WHERE a.id = small.id
          RETURNING a.*
        )
        SELECT a.*, arrivage.url(a.store, a.bucket, a.key) AS url,
          arrivage.is_overtaken(a.id) AS overtaken
        FROM taken AS a ORDER BY a.due_at, a.id",
    )
    .bind(&first.arrival.pipeline)
    .bind(only)
    .bind(from.map(|(due_at, _)| due_at))
    .bind(from.map(|(_, id)| id.0))
    .bind(i64::try_from(along.most).unwrap_or(i64::MAX))
    .bind(i64::try_from(along.bytes).unwrap_or(i64::MAX))
    .bind(first.lease.id.0)
    .bind(owner)
    .bind(microseconds(length))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        claims.push(read(row, history::read(row)?, first.lease.id));
    }
    commit(tx).await?;
    reach(Point::ClaimCommitted).map_err(classify::statement)?;
    if let (Scope::Any, Some(row), Some(last)) = (scope, rows.last(), claims.last()) {
        walk.came_to((row.get("due_at"), last.arrival.id), None);
    }
    Ok(claims)
}
