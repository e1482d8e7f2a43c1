use std::time::Duration;

use arrivage_model::{Lease, Location, State};

use super::database::Database;
use super::{classify, from_now, staging};
use crate::{Awaited, LedgerError, Result};

pub(super) async fn hold(database: &Database, lease: &Lease, awaited: &Awaited) -> Result<State> {
    let mut writing = database.write().await?;
    // Only the claim before this one can have begun the same wait: whatever else happens
    // to an arrival raises its fence.
    let waited: Option<f64> = sqlx::query_scalar(
        "-- ledger::waited
        SELECT CASE WHEN awaits_fence = fence - 1
          THEN (julianday('now') - julianday(awaits_since)) * 86400.0 ELSE 0.0 END
        FROM arrivage_arrival
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .fetch_optional(writing.connection())
    .await
    .map_err(classify::statement)?;
    let waited = Duration::from_secs_f64(waited.ok_or(LedgerError::Fenced)?.max(0.0));
    let pause = awaited.pause(waited);
    sqlx::query(
        "-- ledger::hold
        UPDATE arrivage_arrival SET
          state = CASE WHEN ?3 IS NULL THEN 'failed' ELSE 'waiting' END,
          error_code = CASE WHEN ?3 IS NULL THEN 'incomplete' END, error = ?4,
          finished_at = CASE WHEN ?3 IS NULL THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', coalesce(?3, '+0 seconds')),
          lease_id = NULL, lease_until = NULL, attempts = attempts - 1, barren = max(barren - 1, 0),
          awaits_since = CASE WHEN awaits_fence = fence - 1 THEN awaits_since
            ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END,
          awaits = ?2, awaits_fence = fence
        WHERE id = ?1",
    )
    .bind(lease.arrival.0)
    .bind(&awaited.key)
    .bind(pause.map(from_now))
    .bind(pause.map_or(&awaited.over, |_| &awaited.why))
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    // A Job that found nothing to load takes what there is next time.
    sqlx::query("-- ledger::forget_owner\nDELETE FROM arrivage_owner WHERE arrival_id = ?1")
        .bind(lease.arrival.0)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
    if pause.is_none() {
        staging::forget(writing.connection(), lease.arrival).await?;
    }
    writing.commit().await?;
    Ok(match pause {
        Some(_) => State::Waiting,
        None => State::Failed,
    })
}

pub(super) async fn came(database: &Database, sidecars: &[Location]) -> Result<u64> {
    let mut writing = database.write().await?;
    let mut woken = 0;
    for Location { store, bucket, key } in sidecars {
        let result = sqlx::query(
            "-- ledger::came
            UPDATE arrivage_arrival SET due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            WHERE state = 'waiting' AND awaits = ?3 AND bucket = ?2 AND store = ?1
              AND due_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        )
        .bind(store.as_str())
        .bind(bucket)
        .bind(key)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
        woken += result.rows_affected();
    }
    writing.commit().await?;
    Ok(woken)
}
