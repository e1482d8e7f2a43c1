use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;

use super::classify;
use super::database::Database;
use crate::{Backlog, Declared, Result};

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

pub(super) async fn set_paused(
    database: &Database,
    pipeline: &str,
    why: Option<&str>,
) -> Result<()> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::pause\nUPDATE arrivage_pipeline SET paused_reason = ?2 WHERE name = ?1",
    )
    .bind(pipeline)
    .bind(why)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn paused(
    database: &Database,
    pipelines: &[String],
) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query(
        "-- ledger::paused
        SELECT name, paused_reason FROM arrivage_pipeline
        WHERE paused_reason IS NOT NULL AND name IN (SELECT value FROM json_each(?1))
        ORDER BY name",
    )
    .bind(Json(pipelines))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    let read = |row: &SqliteRow| (row.get("name"), row.get("paused_reason"));
    Ok(rows.iter().map(read).collect())
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
