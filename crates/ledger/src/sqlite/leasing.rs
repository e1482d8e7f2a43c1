use std::time::Duration;

use arrivage_fault::{Point, reach};
use arrivage_model::{ErrorCode, Failure, Fence, Lease, State, Table};
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{Row, SqliteConnection};

use super::database::Database;
use super::{classify, from_now, history, intake, staging, unloading};
use crate::{LedgerError, Result, Standing};

/// A statement that moves the arrival on is the lease's own, or nobody's.
fn held(result: &SqliteQueryResult) -> Result<()> {
    if result.rows_affected() == 1 {
        Ok(())
    } else {
        Err(LedgerError::Fenced)
    }
}

pub(super) async fn renew(database: &Database, lease: &Lease, length: Duration) -> Result<()> {
    let mut writing = database.write().await?;
    reach(Point::RenewBegun).map_err(classify::statement)?;
    let result = sqlx::query(
        "-- ledger::renew
        UPDATE arrivage_arrival SET lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?4)
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(from_now(length))
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    held(&result)?;
    writing.commit().await?;
    reach(Point::RenewCommitted).map_err(classify::statement)
}

pub(super) async fn newest(database: &Database, lease: &Lease) -> Result<()> {
    let mut writing = database.write().await?;
    let result = sqlx::query(
        "-- ledger::newest
        UPDATE arrivage_arrival SET lease_until = lease_until
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    held(&result)?;
    intake::put_last(writing.connection(), lease.arrival).await?;
    writing.commit().await
}

/// Nobody renews meanwhile, as SQLite has one writer; nor does anybody claim.
pub(super) async fn restart(
    database: &Database,
    lease: &Lease,
    table: &Table,
    length: Duration,
) -> Result<Lease> {
    let mut writing = database.write().await?;
    staging::discard(writing.connection(), lease.arrival).await?;
    unloading::remove(writing.connection(), lease.arrival, Some(table)).await?;
    reach(Point::RestartRemoved).map_err(classify::statement)?;
    let fence: Option<i64> = sqlx::query_scalar(
        "-- ledger::restart
        UPDATE arrivage_arrival SET
          fence = ?2 + 1, restart = 0, lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?4)
        WHERE id = ?1 AND lease_id = ?3 AND state = 'loading'
          AND (fence = ?2 OR fence = ?2 + 1 AND checkpoint_records = 0 AND checkpoint_offset = 0)
        RETURNING fence",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(from_now(length))
    .fetch_optional(writing.connection())
    .await
    .map_err(classify::statement)?;
    let fence = fence.ok_or(LedgerError::Fenced)?;
    forget_progress(writing.connection(), lease).await?;
    reach(Point::RestartBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::RestartCommitted).map_err(classify::statement)?;
    Ok(Lease {
        fence: Fence(fence),
        ..*lease
    })
}

/// Puts the checkpoint of an arrival whose lease was compared back to its start.
async fn forget_progress(connection: &mut SqliteConnection, lease: &Lease) -> Result<()> {
    sqlx::query(
        "-- ledger::forget_progress
        UPDATE arrivage_arrival SET
          reading = NULL, checkpoint_records = 0, checkpoint_offset = 0, checkpoint_state = NULL,
          bytes_read = 0, records_loaded = 0, records_rejected = 0, pruned_at = NULL
        WHERE id = ?1",
    )
    .bind(lease.arrival.0)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

/// Takes the write lock first: while the transaction in doubt is not over, nobody
/// knows.
pub(super) async fn standing(database: &Database, lease: &Lease) -> Result<Standing> {
    let mut writing = database.write().await?;
    reach(Point::StandingBegun).map_err(classify::statement)?;
    let row = sqlx::query(
        "-- ledger::standing
        SELECT fence = ?2 AND lease_id IS ?3 AS held, state, checkpoint_records, checkpoint_offset
        FROM arrivage_arrival WHERE id = ?1",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .fetch_optional(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.roll_back().await;
    let row = row.ok_or(LedgerError::Fenced)?;
    let unsigned = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    Ok(Standing {
        held: row.get("held"),
        state: history::state(&row)?,
        records: unsigned("checkpoint_records"),
        offset: unsigned("checkpoint_offset"),
    })
}

pub(super) async fn give_back(
    database: &Database,
    lease: &Lease,
    delay: Duration,
    why: Option<&Failure>,
) -> Result<()> {
    let mut writing = database.write().await?;
    let result = sqlx::query(
        "-- ledger::give_back
        UPDATE arrivage_arrival SET
          state = 'waiting', lease_id = NULL, lease_until = NULL, barren = max(barren - 1, 0),
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?4), error = coalesce(?5, error)
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(from_now(delay))
    .bind(why.map(|failure| failure.message.as_str()))
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    held(&result)?;
    reach(Point::GiveBackBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::GiveBackCommitted).map_err(classify::statement)
}

pub(super) async fn retry_later(
    database: &Database,
    lease: &Lease,
    delay: Duration,
    why: &Failure,
) -> Result<State> {
    let mut writing = database.write().await?;
    let used_up: bool = sqlx::query_scalar(
        "-- ledger::used_up
        SELECT EXISTS (
          SELECT 1 FROM arrivage_arrival a JOIN arrivage_pipeline p ON p.name = a.pipeline
          WHERE a.id = ?1 AND a.barren >= p.max_attempts)",
    )
    .bind(lease.arrival.0)
    .fetch_one(writing.connection())
    .await
    .map_err(classify::statement)?;
    if used_up {
        let code = why.code.or(Some(ErrorCode::AttemptsUsedUp));
        let why = Failure {
            code,
            message: why.message.clone(),
        };
        rest(writing.connection(), lease, State::Failed, &why).await?;
        writing.commit().await?;
        return Ok(State::Failed);
    }
    let result = sqlx::query(
        "-- ledger::retry_later
        UPDATE arrivage_arrival SET
          state = 'waiting', lease_id = NULL, lease_until = NULL,
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?4), error_code = ?5, error = ?6,
          restart = restart OR ?7 AND checkpoint_offset > 0
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state = 'loading'",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(from_now(delay))
    .bind(why.code.map(ErrorCode::as_str))
    .bind(&why.message)
    .bind(why.is_of_the_bytes())
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    held(&result)?;
    reach(Point::RetryLaterBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::RetryLaterCommitted).map_err(classify::statement)?;
    Ok(State::Waiting)
}

pub(super) async fn fail(database: &Database, lease: &Lease, why: &Failure) -> Result<()> {
    let mut writing = database.write().await?;
    rest(writing.connection(), lease, State::Failed, why).await?;
    staging::forget(writing.connection(), lease.arrival).await?;
    reach(Point::FailBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::FailCommitted).map_err(classify::statement)
}

pub(super) async fn supersede(
    database: &Database,
    lease: &Lease,
    table: Option<&Table>,
    why: &Failure,
) -> Result<()> {
    let mut writing = database.write().await?;
    rest(writing.connection(), lease, State::Superseded, why).await?;
    let gathered = staging::discard(writing.connection(), lease.arrival).await?;
    // Gathered rows are nowhere now, whatever the table can tell.
    if gathered || table.is_some_and(|table| table.has_arrival_id) {
        forget_progress(writing.connection(), lease).await?;
        unloading::remove(writing.connection(), lease.arrival, table).await?;
    }
    reach(Point::SupersedeBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::SupersedeCommitted).map_err(classify::statement)
}

/// May be repeated by who holds the lease until it is answered.
async fn rest(
    connection: &mut SqliteConnection,
    lease: &Lease,
    state: State,
    why: &Failure,
) -> Result<()> {
    let result = sqlx::query(
        "-- ledger::rest
        UPDATE arrivage_arrival SET
          state = ?4, error_code = ?5, error = ?6, lease_until = NULL,
          restart = restart OR ?7 AND checkpoint_offset > 0,
          finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
        WHERE id = ?1 AND fence = ?2 AND lease_id = ?3 AND state IN ('loading', ?4)",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .bind(state.as_str())
    .bind(why.code.map(ErrorCode::as_str))
    .bind(&why.message)
    .bind(why.is_of_the_bytes())
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    held(&result)
}
