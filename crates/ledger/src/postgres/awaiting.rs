use std::time::Duration;

use arrivage_model::{Lease, Location, State};
use sqlx::PgPool;

use super::{begin, begin_for, classify, commit, microseconds, query, query_scalar, staging};
use crate::{Awaited, LedgerError, Result};

pub(super) async fn hold(pool: &PgPool, lease: &Lease, awaited: &Awaited) -> Result<State> {
    let mut tx = begin_for(pool, lease.id).await?;
    // Only the claim before this one can have begun the same wait: whatever else happens
    // to an arrival raises its fence.
    let waited: Option<f64> = query_scalar(
        "-- ledger::waited
        SELECT extract(epoch FROM clock_timestamp() - CASE WHEN awaits_fence = fence - 1
          THEN awaits_since ELSE clock_timestamp() END)::double precision
        FROM arrivage.arrival
        WHERE id = $1 AND fence = $2 AND lease_id = $3 AND state = 'loading'
        FOR NO KEY UPDATE",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let waited = Duration::from_secs_f64(waited.ok_or(LedgerError::Fenced)?.max(0.0));
    let pause = awaited.pause(waited);
    query(
        "-- ledger::hold
        UPDATE arrivage.arrival SET
          state = CASE WHEN $4::bigint IS NULL THEN 'failed' ELSE 'waiting' END,
          error_code = CASE WHEN $4 IS NULL THEN 'incomplete' END, error = $5,
          finished_at = CASE WHEN $4 IS NULL THEN clock_timestamp() END,
          due_at = clock_timestamp() + coalesce($4, 0) * interval '1 microsecond',
          lease_until = NULL, attempts = attempts - 1, barren = greatest(barren - 1, 0),
          awaits = $2, awaits_fence = fence,
          awaits_since = clock_timestamp() - $3 * interval '1 microsecond'
        WHERE id = $1",
    )
    .bind(lease.arrival.0)
    .bind(&awaited.key)
    .bind(microseconds(waited))
    .bind(pause.map(microseconds))
    .bind(pause.map_or(&awaited.over, |_| &awaited.why))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    // A Job that found nothing to load takes what there is next time.
    query("-- ledger::forget_owner\nDELETE FROM arrivage.owner WHERE arrival_id = $1")
        .bind(lease.arrival.0)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    if pause.is_none() {
        staging::forget(&mut tx, lease.arrival).await?;
    }
    commit(tx).await?;
    Ok(match pause {
        Some(_) => State::Waiting,
        None => State::Failed,
    })
}

pub(super) async fn came(pool: &PgPool, sidecars: &[Location]) -> Result<u64> {
    let all = |of: fn(&Location) -> &str| -> Vec<String> {
        sidecars.iter().map(|place| of(place).to_owned()).collect()
    };
    let mut tx = begin(pool).await?;
    let result = query(
        "-- ledger::came
        UPDATE arrivage.arrival a SET due_at = clock_timestamp()
        FROM unnest($1::text[], $2::text[], $3::text[]) AS s (store, bucket, key)
        WHERE a.state = 'waiting' AND a.awaits = s.key AND a.bucket = s.bucket
          AND a.store = s.store AND a.due_at > clock_timestamp()",
    )
    .bind(all(|place| place.store.as_str()))
    .bind(all(|place| &place.bucket))
    .bind(all(|place| &place.key))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(result.rows_affected())
}
