use arrivage_model::ArrivalId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;

use super::classify;
use super::database::Database;
use crate::{Backlog, Declared, Paused, Result};

pub(super) async fn declare(database: &Database, pipelines: &[Declared]) -> Result<()> {
    let mut writing = database.write().await?;
    for pipeline in pipelines {
        sqlx::query(
            "-- ledger::declare
            INSERT INTO arrivage_pipeline (name, max_attempts) VALUES (?1, ?2)
            ON CONFLICT (name) DO UPDATE SET max_attempts = excluded.max_attempts",
        )
        .bind(&pipeline.name)
        .bind(pipeline.max_attempts)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
    }
    writing.commit().await
}

pub(super) async fn retain(database: &Database, pipelines: &[String]) -> Result<()> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::retain
        DELETE FROM arrivage_pipeline
        WHERE name NOT IN (SELECT value FROM json_each(?1))
          AND NOT EXISTS (SELECT 1 FROM arrivage_arrival a
            WHERE a.pipeline = arrivage_pipeline.name AND a.state = 'waiting')
          AND NOT EXISTS (SELECT 1 FROM arrivage_arrival a
            WHERE a.pipeline = arrivage_pipeline.name AND a.state = 'loading')",
    )
    .bind(Json(pipelines))
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn pause(database: &Database, pipeline: &str, reason: &str) -> Result<()> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::pause
        UPDATE arrivage_pipeline SET paused_reason = ?2
        WHERE name = ?1 AND NOT paused_by_person",
    )
    .bind(pipeline)
    .bind(reason)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn resume(database: &Database, pipeline: &str) -> Result<()> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::resume
        UPDATE arrivage_pipeline SET paused_reason = NULL
        WHERE name = ?1 AND NOT paused_by_person",
    )
    .bind(pipeline)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn paused(database: &Database, pipelines: &[String]) -> Result<Vec<Paused>> {
    let rows = sqlx::query(
        "-- ledger::paused
        SELECT name, paused_reason, paused_by_person FROM arrivage_pipeline
        WHERE paused_reason IS NOT NULL AND name IN (SELECT value FROM json_each(?1))
        ORDER BY name",
    )
    .bind(Json(pipelines))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &SqliteRow) -> Paused {
    Paused {
        pipeline: row.get("name"),
        reason: row.get("paused_reason"),
        by_person: row.get("paused_by_person"),
    }
}

/// Fences whoever loads something of the pipeline; nothing that they load counts as
/// an attempt, unless its lease had expired already.
pub(super) async fn pause_by_person(
    database: &Database,
    pipeline: &str,
    reason: &str,
) -> Result<Vec<ArrivalId>> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::pause_by_person
        UPDATE arrivage_pipeline SET paused_reason = ?2, paused_by_person = 1 WHERE name = ?1",
    )
    .bind(pipeline)
    .bind(reason)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    let ids: Vec<i64> = sqlx::query_scalar(
        "-- ledger::take_back
        UPDATE arrivage_arrival SET
          state = 'waiting', fence = fence + 1, lease_id = NULL, lease_until = NULL,
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
          barren = CASE WHEN lease_until > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            THEN max(barren - 1, 0) ELSE barren END
        WHERE state = 'loading' AND pipeline = ?1
        RETURNING id",
    )
    .bind(pipeline)
    .fetch_all(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await?;
    Ok(ids.into_iter().map(ArrivalId).collect())
}

pub(super) async fn resume_by_person(
    database: &Database,
    pipeline: &str,
) -> Result<Option<Paused>> {
    let mut writing = database.write().await?;
    let row = sqlx::query(
        "-- ledger::paused
        SELECT name, paused_reason, paused_by_person FROM arrivage_pipeline
        WHERE name = ?1 AND paused_reason IS NOT NULL",
    )
    .bind(pipeline)
    .fetch_optional(writing.connection())
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::resume_by_person
        UPDATE arrivage_pipeline SET paused_reason = NULL, paused_by_person = 0 WHERE name = ?1",
    )
    .bind(pipeline)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await?;
    Ok(row.as_ref().map(read))
}

pub(super) async fn backlog(database: &Database) -> Result<Vec<Backlog>> {
    let rows = sqlx::query(
        "-- ledger::backlog
        SELECT pipeline, waiting, loading, outstanding FROM arrivage_backlog ORDER BY pipeline",
    )
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    let read = |row: &SqliteRow| Backlog {
        pipeline: row.get("pipeline"),
        waiting: row.get("waiting"),
        loading: row.get("loading"),
        outstanding: row.get("outstanding"),
    };
    Ok(rows.iter().map(read).collect())
}
