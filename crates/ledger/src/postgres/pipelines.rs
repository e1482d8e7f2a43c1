use sqlx::PgPool;

use super::{begin, classify, commit, query, query_as};
use crate::{Declared, Result};

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

pub(super) async fn set_paused(pool: &PgPool, pipeline: &str, why: Option<&str>) -> Result<()> {
    let mut tx = begin(pool).await?;
    query("-- ledger::pause\nUPDATE arrivage.pipeline SET paused_reason = $2 WHERE name = $1")
        .bind(pipeline)
        .bind(why)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn paused(pool: &PgPool, pipelines: &[String]) -> Result<Vec<(String, String)>> {
    let mut tx = begin(pool).await?;
    let rows = query_as(
        "-- ledger::paused
        SELECT name, paused_reason FROM arrivage.pipeline
        WHERE name = ANY ($1) AND paused_reason IS NOT NULL ORDER BY name",
    )
    .bind(pipelines)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(rows)
}
