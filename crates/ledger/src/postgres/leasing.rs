use std::time::Duration;

use arrivage_fault::{Point, reach};
use arrivage_model::{Failure, Fence, Lease, State, Table};
use sqlx::postgres::PgQueryResult;
use sqlx::{PgPool, Row};

use super::{
    PgTransaction, begin, begin_for, begin_with, classify, commit, history, intake, microseconds,
    query, query_scalar, staging, unloading,
};
use crate::{LedgerError, Result, Standing};

/// A statement that moves the arrival on is the lease's own, or nobody's.
fn held(result: &PgQueryResult) -> Result<()> {
    if result.rows_affected() == 1 {
        Ok(())
    } else {
        Err(LedgerError::Fenced)
    }
}

pub(super) async fn renew(keeper: &PgPool, lease: &Lease, length: Duration) -> Result<()> {
    // A renewal that a crash forgets only shortens the lease.
    let mut tx = begin_with(keeper, None, "off", &[]).await?;
    reach(Point::RenewBegun).map_err(classify::statement)?;
    let result = query(
        "-- ledger::renew
        UPDATE arrivage.arrival
        SET lease_until = clock_timestamp() + $4 * interval '1 microsecond'
        WHERE id = $1 AND fence = $2 AND lease_id = $3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .bind(microseconds(length))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::RenewCommitted).map_err(classify::statement)?;
    held(&result)
}

/// The rows first, so that the arrival's row is free for renewals meanwhile: since its
/// claim no other chunk of it can commit, so what is seen here is all there is.
pub(super) async fn restart(
    pool: &PgPool,
    lease: &Lease,
    table: &Table,
    length: Duration,
) -> Result<Lease> {
    // An earlier try, whose answer got lost, may hold the rows.
    let mut tx = begin_last(pool, lease).await?;
    staging::discard(&mut tx, lease.arrival).await?;
    unloading::remove(&mut tx, lease.arrival, Some(table)).await?;
    reach(Point::RestartRemoved).map_err(classify::statement)?;
    let fence: Option<i64> = query_scalar(
        "-- ledger::restart
        UPDATE arrivage.arrival SET
          fence = $2 + 1, restart = false, reading = NULL, checkpoint_records = 0,
          checkpoint_offset = 0, checkpoint_state = NULL, bytes_read = 0,
          records_loaded = 0, records_rejected = 0, pruned_at = NULL,
          lease_until = clock_timestamp() + $4 * interval '1 microsecond'
        WHERE id = $1 AND lease_id = $3 AND state = 'loading'
          AND (fence = $2 OR fence = $2 + 1 AND checkpoint_records = 0 AND checkpoint_offset = 0)
        RETURNING fence",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .bind(microseconds(length))
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let fence = fence.ok_or(LedgerError::Fenced)?;
    reach(Point::RestartBeforeCommit).map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::RestartCommitted).map_err(classify::statement)?;
    Ok(Lease {
        fence: Fence(fence),
        ..*lease
    })
}

pub(super) async fn newest(pool: &PgPool, lease: &Lease) -> Result<()> {
    let mut tx = begin_for(pool, lease.id).await?;
    let result = query(
        "-- ledger::newest
        UPDATE arrivage.arrival SET lease_until = lease_until
        WHERE id = $1 AND fence = $2 AND lease_id = $3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    held(&result)?;
    intake::put_last(&mut tx, lease.arrival).await?;
    commit(tx).await
}

/// Ends the lease's other transactions: one that hangs would hold the row.
async fn end_own_backends(tx: &mut PgTransaction, lease: &Lease) -> Result<()> {
    query(
        "-- ledger::end_own_backends
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND application_name = 'arrivage ' || $1::text",
    )
    .bind(lease.id.to_string())
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

/// Begins the transaction that ends a claim.
async fn begin_last(pool: &PgPool, lease: &Lease) -> Result<PgTransaction> {
    let mut tx = begin_for(pool, lease.id).await?;
    end_own_backends(&mut tx, lease).await?;
    Ok(tx)
}

pub(super) async fn standing(pool: &PgPool, lease: &Lease) -> Result<Standing> {
    let mut tx = begin(pool).await?;
    reach(Point::StandingBegun).map_err(classify::statement)?;
    end_own_backends(&mut tx, lease).await?;
    // A plain read would see the old value while the old transaction is in doubt.
    let row = query(
        "-- ledger::standing
        SELECT fence = $2 AND lease_id = $3 AS held, state, checkpoint_records, checkpoint_offset
        FROM arrivage.arrival WHERE id = $1 FOR NO KEY UPDATE",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let row = row.ok_or(LedgerError::Fenced)?;
    commit(tx).await?;
    let unsigned = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    Ok(Standing {
        held: row.get::<Option<bool>, _>("held").unwrap_or(false),
        state: history::state(&row)?,
        records: unsigned("checkpoint_records"),
        offset: unsigned("checkpoint_offset"),
    })
}

pub(super) async fn give_back(
    pool: &PgPool,
    lease: &Lease,
    delay: Duration,
    why: Option<&Failure>,
) -> Result<()> {
    let mut tx = begin_last(pool, lease).await?;
    let result = query(
        "-- ledger::give_back
        UPDATE arrivage.arrival SET
          state = 'waiting', lease_until = NULL, barren = greatest(barren - 1, 0),
          due_at = clock_timestamp() + $4 * interval '1 microsecond',
          error = coalesce($5, error)
        WHERE id = $1 AND fence = $2 AND lease_id = $3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .bind(microseconds(delay))
    .bind(why.map(|failure| failure.message.as_str()))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    reach(Point::GiveBackBeforeCommit).map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::GiveBackCommitted).map_err(classify::statement)?;
    held(&result)
}

pub(super) async fn retry_later(
    pool: &PgPool,
    lease: &Lease,
    delay: Duration,
    why: &Failure,
) -> Result<State> {
    let mut tx = begin_last(pool, lease).await?;
    let row = query(
        "-- ledger::retry_later
        WITH standing AS (
          SELECT a.id, a.barren >= coalesce(p.max_attempts, 1) AS used_up
          FROM arrivage.arrival a LEFT JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.id = $1
        )
        UPDATE arrivage.arrival a SET
          state = CASE WHEN used_up THEN 'failed' ELSE 'waiting' END,
          error_code = coalesce($6, CASE WHEN used_up THEN 'attempts_used_up' END),
          error = $5, lease_until = NULL,
          due_at = clock_timestamp() + $4 * interval '1 microsecond',
          restart = a.restart OR $7 AND a.checkpoint_offset > 0,
          finished_at = CASE WHEN used_up THEN clock_timestamp() END
        FROM standing
        WHERE a.id = standing.id AND a.fence = $2 AND a.lease_id = $3 AND a.state = 'loading'
        RETURNING a.state",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .bind(microseconds(delay))
    .bind(&why.message)
    .bind(why.code.map(|code| code.as_str()))
    .bind(why.is_of_the_bytes())
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let row = row.ok_or(LedgerError::Fenced)?;
    reach(Point::RetryLaterBeforeCommit).map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::RetryLaterCommitted).map_err(classify::statement)?;
    history::state(&row)
}

pub(super) async fn fail(pool: &PgPool, lease: &Lease, why: &Failure) -> Result<()> {
    let mut tx = begin_last(pool, lease).await?;
    rest(&mut tx, lease, State::Failed, why).await?;
    staging::forget(&mut tx, lease.arrival).await?;
    reach(Point::FailBeforeCommit).map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::FailCommitted).map_err(classify::statement)
}

/// The arrival first, unlike in a restart: a chunk of this very lease may be on its way to
/// COMMIT, and what it brings has to go too.
pub(super) async fn supersede(
    pool: &PgPool,
    lease: &Lease,
    table: Option<&Table>,
    why: &Failure,
) -> Result<()> {
    let mut tx = begin_last(pool, lease).await?;
    rest(&mut tx, lease, State::Superseded, why).await?;
    let gathered = staging::discard(&mut tx, lease.arrival).await?;
    // Gathered rows are nowhere now, whatever the table can tell.
    if gathered || table.is_some_and(|table| table.has_arrival_id) {
        query(
            "-- ledger::forget_progress
            UPDATE arrivage.arrival SET
              reading = NULL, checkpoint_records = 0, checkpoint_offset = 0,
              checkpoint_state = NULL, bytes_read = 0, records_loaded = 0, records_rejected = 0,
              pruned_at = NULL
            WHERE id = $1",
        )
        .bind(lease.arrival.0)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
        unloading::remove(&mut tx, lease.arrival, table).await?;
    }
    reach(Point::SupersedeBeforeCommit).map_err(classify::statement)?;
    commit(tx).await?;
    reach(Point::SupersedeCommitted).map_err(classify::statement)
}

/// May be repeated by who holds the lease until it is answered.
async fn rest(tx: &mut PgTransaction, lease: &Lease, state: State, why: &Failure) -> Result<()> {
    let result = query(
        "-- ledger::rest
        UPDATE arrivage.arrival SET
          state = $4, error_code = $5, error = $6, lease_until = NULL,
          restart = restart OR $7 AND checkpoint_offset > 0, finished_at = clock_timestamp()
        WHERE id = $1 AND fence = $2 AND lease_id = $3 AND state IN ('loading', $4)",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .bind(state.as_str())
    .bind(why.code.map(|code| code.as_str()))
    .bind(&why.message)
    .bind(why.is_of_the_bytes())
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    held(&result)
}

/// Ends backends that still carry the lease of a claim which is over: nothing
/// else ends a COPY whose client stopped. A transaction younger than this
/// statement is left alone, as its claim may be younger than the snapshot.
pub(super) async fn reap(pool: &PgPool) -> Result<u64> {
    let mut tx = begin(pool).await?;
    let ended: i64 = query_scalar(
        "-- ledger::reap
        SELECT count(*) FILTER (WHERE pg_terminate_backend(s.pid))
        FROM pg_stat_activity s
        WHERE s.datname = current_database() AND s.pid <> pg_backend_pid()
          AND s.application_name ~ '^arrivage [0-9a-f]{8}-[0-9a-f-]{27}$' AND s.xact_start < statement_timestamp()
          AND NOT EXISTS (
            SELECT FROM arrivage.arrival a
            WHERE a.state = 'loading' AND a.lease_until > statement_timestamp()
              AND 'arrivage ' || a.lease_id = s.application_name)",
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(ended.unsigned_abs())
}
