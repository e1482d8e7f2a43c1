use arrivage_model::{ArrivalId, State, Table};
use sqlx::{PgPool, Row};

use super::{PgTransaction, begin, classify, commit, history, query, staging, target};
use crate::orders::{dismissed, hindrance};
use crate::{Dismissed, Result, Unloaded};

pub(super) async fn unload(pool: &PgPool, id: ArrivalId, table: &Table) -> Result<Unloaded> {
    let mut tx = begin(pool).await?;
    let row = query(
        "-- ledger::lock_one
        SELECT state, records_loaded, error_code FROM arrivage.arrival
        WHERE id = $1 FOR NO KEY UPDATE",
    )
    .bind(id.0)
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let Some(row) = row else {
        commit(tx).await?;
        return Ok(Unloaded::Unknown);
    };
    // What an atomic load has gathered is not in the table.
    let of = match staging::exists(&mut tx, id).await? {
        true => 0,
        false => row.get::<i64, _>("records_loaded").unsigned_abs(),
    };
    if let Some(refused) = hindrance(history::state(&row)?, of, row.get("error_code"), table) {
        commit(tx).await?;
        return Ok(refused);
    }
    // The arrival first: whoever deletes first may leave rows that double.
    query(
        "-- ledger::unload
        UPDATE arrivage.arrival SET
          state = 'unloaded', fence = fence + 1, barren = 0, restart = false, reading = NULL,
          lease_until = NULL, checkpoint_records = 0, checkpoint_offset = 0,
          checkpoint_state = NULL, bytes_read = 0, records_loaded = 0, records_rejected = 0,
          error_code = NULL, error = NULL, pruned_at = NULL, finished_at = clock_timestamp()
        WHERE id = $1",
    )
    .bind(id.0)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    staging::discard(&mut tx, id).await?;
    let Removed { rows, rejects } = remove(&mut tx, id, Some(table)).await?;
    commit(tx).await?;
    Ok(Unloaded::Done { rows, of, rejects })
}

/// What was taken out of table and rejects.
pub(super) struct Removed {
    pub(super) rows: u64,
    pub(super) rejects: u64,
}

/// Takes an arrival's rejects out, and its rows where the table can tell them. Whoever
/// calls it has locked the arrival before.
pub(super) async fn remove(
    tx: &mut PgTransaction,
    id: ArrivalId,
    table: Option<&Table>,
) -> Result<Removed> {
    let sql = "-- ledger::remove_rejects\nDELETE FROM arrivage.reject WHERE arrival_id = $1";
    let removed = query(sql).bind(id.0).execute(&mut **tx).await;
    let rejects = removed.map_err(classify::statement)?.rows_affected();
    let Some(table) = table.filter(|table| table.has_arrival_id) else {
        return Ok(Removed { rows: 0, rejects });
    };
    let name = target::quoted(&table.name);
    let sql = format!("-- ledger::remove_rows\nDELETE FROM {name} WHERE _arrival_id = $1");
    let removed = query(&sql).bind(id.0).execute(&mut **tx).await;
    let removed = removed.map_err(|error| target::drifted(&table.name, error))?;
    let rows = removed.rows_affected();
    Ok(Removed { rows, rejects })
}

pub(super) async fn dismiss(pool: &PgPool, ids: &[ArrivalId]) -> Result<Vec<Dismissed>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    let states = history::lock(&mut tx, &numbers).await?;
    query(
        "-- ledger::dismiss
        UPDATE arrivage.arrival SET state = 'dismissed' WHERE id = ANY ($1) AND state = 'failed'",
    )
    .bind(&numbers)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    for id in ids {
        if states.get(&id.0) == Some(&State::Failed) {
            staging::forget(&mut tx, *id).await?;
        }
    }
    commit(tx).await?;
    let answer = |id: &i64| {
        states
            .get(id)
            .map_or(Dismissed::Unknown, |state| dismissed(*state))
    };
    Ok(numbers.iter().map(answer).collect())
}
