use std::time::Duration;

use arrivage_model::ArrivalId;
use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

use super::{
    PgTransaction, begin, begin_with, classify, commit, microseconds, query, query_scalar,
};
use crate::Result;
use crate::retention::{Old, Pruned, together};

pub(super) async fn prune(pool: &PgPool, older_than: Duration, most: usize) -> Result<Pruned> {
    // What a crash forgets of it is done again.
    let mut tx = begin_with(pool, None, "off", &[]).await?;
    let old = together(&old(&mut tx, older_than, most).await?);
    let (arrivals, rejects) = match old.is_empty() {
        true => (0, 0),
        false => strip(&mut tx, &old).await?,
    };
    let notifications = forget_unreadable(&mut tx, older_than, most).await?;
    commit(tx).await?;
    Ok(Pruned {
        arrivals,
        rejects,
        notifications,
    })
}

/// Locks them: what is queued again from here on is queued as it stands afterwards.
async fn old(tx: &mut PgTransaction, older_than: Duration, most: usize) -> Result<Vec<Old>> {
    // The condition of the index arrival_unpruned, in its own words.
    let rows = query(
        "-- ledger::old
        SELECT id, records_rejected FROM arrivage.arrival
        WHERE state IN ('loaded', 'superseded', 'dismissed')
          AND (pruned_at IS NULL OR pruned_at < finished_at)
          AND finished_at < statement_timestamp() - $1 * interval '1 microsecond'
        ORDER BY finished_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind(microseconds(older_than))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let read = |row: &sqlx::postgres::PgRow| Old {
        id: row.get("id"),
        rejects: row.get::<i64, _>("records_rejected").unsigned_abs(),
    };
    Ok(rows.iter().map(read).collect())
}

/// How many arrivals, and how many rejects of theirs. What is not loaded may go on from its
/// checkpoint, so that stays.
async fn strip(tx: &mut PgTransaction, old: &[i64]) -> Result<(u64, u64)> {
    let removed =
        query("-- ledger::remove_rejects\nDELETE FROM arrivage.reject WHERE arrival_id = ANY ($1)")
            .bind(old)
            .execute(&mut **tx)
            .await
            .map_err(classify::statement)?;
    let pruned = query(
        "-- ledger::prune
        UPDATE arrivage.arrival SET
          pruned_at = clock_timestamp(),
          checkpoint_state = CASE WHEN state <> 'loaded' THEN checkpoint_state END,
          reading = CASE WHEN state <> 'loaded' THEN reading END
        WHERE id = ANY ($1)",
    )
    .bind(old)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok((pruned.rows_affected(), removed.rows_affected()))
}

/// They came in the order of their ids.
async fn forget_unreadable(
    tx: &mut PgTransaction,
    older_than: Duration,
    most: usize,
) -> Result<u64> {
    let forgotten = query(
        "-- ledger::forget_unreadable
        WITH first AS MATERIALIZED (
          SELECT id, received_at FROM arrivage.unreadable_notification ORDER BY id LIMIT $2
        ), old AS MATERIALIZED (
          SELECT n.id FROM arrivage.unreadable_notification n
          WHERE n.id IN (
            SELECT id FROM first
            WHERE received_at < statement_timestamp() - $1 * interval '1 microsecond')
          FOR UPDATE SKIP LOCKED
        )
        DELETE FROM arrivage.unreadable_notification n USING old WHERE n.id = old.id",
    )
    .bind(microseconds(older_than))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(forgotten.rows_affected())
}

pub(super) async fn pruned_at(pool: &PgPool, id: ArrivalId) -> Result<Option<DateTime<Utc>>> {
    let mut tx = begin(pool).await?;
    let sql = "-- ledger::pruned_at\nSELECT pruned_at FROM arrivage.pruned WHERE arrival_id = $1";
    let found = query_scalar(sql)
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await
        .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(found)
}
