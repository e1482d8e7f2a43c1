use std::time::Duration;

use arrivage_model::ArrivalId;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{Row, SqliteConnection};

use super::classify;
use super::database::Database;
use crate::Result;
use crate::retention::{Old, Pruned, together};

/// Asks before it takes the write lock: hardly ever there is something.
pub(super) async fn prune(
    database: &Database,
    older_than: Duration,
    most: usize,
) -> Result<Pruned> {
    let (before, most) = (ago(older_than), i64::try_from(most).unwrap_or(i64::MAX));
    if !is_anything_old(database, &before).await? {
        return Ok(Pruned::default());
    }
    let mut writing = database.write().await?;
    let old = old(writing.connection(), &before, most).await?;
    let (arrivals, rejects) = strip(writing.connection(), &together(&old)).await?;
    let notifications = forget_unreadable(writing.connection(), &before, most).await?;
    writing.commit().await?;
    Ok(Pruned {
        arrivals,
        rejects,
        notifications,
    })
}

/// A span into the past as SQLite's date functions take it. Before a century they may answer
/// NULL, and nothing is older than that.
fn ago(span: Duration) -> String {
    super::from_now(span).replacen('+', "-", 1)
}

/// What there is to prune. Of a statement that cannot go by this index, SQLite says so.
const OLD: &str = "arrivage_arrival INDEXED BY arrivage_arrival_unpruned
        WHERE state IN ('loaded', 'superseded', 'dismissed')
          AND (pruned_at IS NULL OR pruned_at < finished_at)
          AND finished_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1)";

async fn is_anything_old(database: &Database, before: &str) -> Result<bool> {
    let sql = format!(
        "-- ledger::is_anything_old
        SELECT EXISTS (SELECT 1 FROM {OLD})
          OR EXISTS (
            SELECT 1 FROM (SELECT received_at FROM arrivage_unreadable_notification ORDER BY id LIMIT 1)
            WHERE received_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1))"
    );
    sqlx::query_scalar(&sql)
        .bind(before)
        .fetch_one(database.reading())
        .await
        .map_err(classify::statement)
}

async fn old(connection: &mut SqliteConnection, before: &str, most: i64) -> Result<Vec<Old>> {
    let sql = format!(
        "-- ledger::old
        SELECT id, records_rejected FROM {OLD}
        ORDER BY finished_at LIMIT ?2"
    );
    let rows = sqlx::query(&sql)
        .bind(before)
        .bind(most)
        .fetch_all(connection)
        .await
        .map_err(classify::statement)?;
    let read = |row: &sqlx::sqlite::SqliteRow| Old {
        id: row.get("id"),
        rejects: row.get::<i64, _>("records_rejected").unsigned_abs(),
    };
    Ok(rows.iter().map(read).collect())
}

/// How many arrivals, and how many rejects of theirs. What is not loaded may go on from its
/// checkpoint, so that stays.
async fn strip(connection: &mut SqliteConnection, old: &[i64]) -> Result<(u64, u64)> {
    let removed = sqlx::query(
        "-- ledger::remove_rejects
        DELETE FROM arrivage_reject WHERE arrival_id IN (SELECT value FROM json_each(?1))",
    )
    .bind(Json(old))
    .execute(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let pruned = sqlx::query(
        "-- ledger::prune
        UPDATE arrivage_arrival SET
          pruned_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
          checkpoint_state = CASE WHEN state <> 'loaded' THEN checkpoint_state END,
          reading = CASE WHEN state <> 'loaded' THEN reading END
        WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(Json(old))
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok((pruned.rows_affected(), removed.rows_affected()))
}

/// They came in the order of their ids.
async fn forget_unreadable(
    connection: &mut SqliteConnection,
    before: &str,
    most: i64,
) -> Result<u64> {
    let forgotten = sqlx::query(
        "-- ledger::forget_unreadable
        DELETE FROM arrivage_unreadable_notification WHERE id IN (
          SELECT id FROM (
            SELECT id, received_at FROM arrivage_unreadable_notification ORDER BY id LIMIT ?2)
          WHERE received_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1))",
    )
    .bind(before)
    .bind(most)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(forgotten.rows_affected())
}

pub(super) async fn pruned_at(database: &Database, id: ArrivalId) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "-- ledger::pruned_at
        SELECT pruned_at FROM arrivage_pruned WHERE arrival_id = ?1",
    )
    .bind(id.0)
    .fetch_optional(database.reading())
    .await
    .map_err(classify::statement)
}
