use arrivage_model::ArrivalId;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{begin, classify, commit, query, query_scalar};
use crate::{Declared, Paused, Result};

pub(super) async fn declare(pool: &PgPool, pipelines: &[Declared]) -> Result<()> {
    let names: Vec<&str> = pipelines.iter().map(|p| p.name.as_str()).collect();
    let attempts: Vec<i32> = pipelines
        .iter()
        .map(|p| i32::try_from(p.max_attempts).unwrap_or(i32::MAX))
        .collect();
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::declare
        INSERT INTO arrivage.pipeline AS p (name, max_attempts)
        SELECT * FROM unnest($1::text[], $2::int[]) AS declared (name, max_attempts)
        ORDER BY name
        ON CONFLICT (name) DO UPDATE SET max_attempts = EXCLUDED.max_attempts
        WHERE p.max_attempts <> EXCLUDED.max_attempts",
    )
    .bind(names)
    .bind(attempts)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn retain(pool: &PgPool, pipelines: &[String]) -> Result<()> {
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::retain
        DELETE FROM arrivage.pipeline p
        WHERE p.name <> ALL ($1) AND NOT EXISTS (
          SELECT FROM arrivage.arrival a
          WHERE a.pipeline = p.name AND a.state IN ('waiting', 'loading'))",
    )
    .bind(pipelines)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn pause(pool: &PgPool, pipeline: &str, reason: &str) -> Result<()> {
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::pause
        UPDATE arrivage.pipeline SET paused_reason = $2
        WHERE name = $1 AND NOT paused_by_person",
    )
    .bind(pipeline)
    .bind(reason)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn resume(pool: &PgPool, pipeline: &str) -> Result<()> {
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::resume
        UPDATE arrivage.pipeline SET paused_reason = NULL
        WHERE name = $1 AND NOT paused_by_person",
    )
    .bind(pipeline)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn paused(pool: &PgPool, pipelines: &[String]) -> Result<Vec<Paused>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::paused
        SELECT name, paused_reason, paused_by_person FROM arrivage.pipeline
        WHERE name = ANY ($1) AND paused_reason IS NOT NULL ORDER BY name",
    )
    .bind(pipelines)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &PgRow) -> Paused {
    Paused {
        pipeline: row.get("name"),
        reason: row.get("paused_reason"),
        by_person: row.get("paused_by_person"),
    }
}

pub(super) async fn pause_by_person(
    pool: &PgPool,
    pipeline: &str,
    reason: &str,
) -> Result<Vec<ArrivalId>> {
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::pause_by_person
        UPDATE arrivage.pipeline SET paused_reason = $2, paused_by_person = true
        WHERE name = $1",
    )
    .bind(pipeline)
    .bind(reason)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    // Committed first: whatever is claimed before every claimer sees this stands
    // among those that are loading afterwards.
    commit(tx).await?;
    take_back(pool, pipeline).await
}

/// Fences whoever loads something of the pipeline; nothing that they load counts as
/// an attempt, unless its lease had expired already.
async fn take_back(pool: &PgPool, pipeline: &str) -> Result<Vec<ArrivalId>> {
    let mut tx = begin(pool).await?;
    let ids: Vec<i64> = query_scalar(
        "-- ledger::take_back
        WITH held AS MATERIALIZED (
          SELECT id FROM arrivage.arrival WHERE state = 'loading' AND pipeline = $1
          ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE arrivage.arrival a SET
          state = 'waiting', fence = fence + 1, lease_until = NULL, due_at = clock_timestamp(),
          barren = CASE WHEN lease_until > clock_timestamp()
            THEN greatest(barren - 1, 0) ELSE barren END
        FROM held WHERE a.id = held.id
        RETURNING a.id",
    )
    .bind(pipeline)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(ids.into_iter().map(ArrivalId).collect())
}

pub(super) async fn resume_by_person(pool: &PgPool, pipeline: &str) -> Result<Option<Paused>> {
    let mut tx = begin(pool).await?;
    let row = query(
        "-- ledger::resume_by_person
        WITH paused AS (
          SELECT name, paused_reason, paused_by_person FROM arrivage.pipeline
          WHERE name = $1 AND paused_reason IS NOT NULL FOR NO KEY UPDATE
        )
        UPDATE arrivage.pipeline p SET paused_reason = NULL, paused_by_person = false
        FROM paused WHERE p.name = paused.name
        RETURNING paused.*",
    )
    .bind(pipeline)
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(row.as_ref().map(read))
}
