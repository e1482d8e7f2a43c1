use arrivage_model::{ArrivalId, Table};
use sqlx::SqliteConnection;

use super::database::Database;
use super::{classify, history, staging, target};
use crate::orders::{dismissed, hindrance};
use crate::{Dismissed, Result, Unloaded};

pub(super) async fn unload(database: &Database, id: ArrivalId, table: &Table) -> Result<Unloaded> {
    let mut writing = database.write().await?;
    let Some(arrival) = history::find(writing.connection(), id).await? else {
        return Ok(Unloaded::Unknown);
    };
    // What an atomic load has gathered is not in the table.
    let of = match staging::exists(writing.connection(), id).await? {
        true => 0,
        false => arrival.records_loaded.unsigned_abs(),
    };
    if let Some(refused) = hindrance(arrival.state, of, arrival.error_code.as_deref(), table) {
        return Ok(refused);
    }
    sqlx::query(
        "-- ledger::unload
        UPDATE arrivage_arrival SET
          state = 'unloaded', fence = fence + 1, barren = 0, restart = 0, reading = NULL,
          lease_id = NULL, lease_until = NULL, checkpoint_records = 0, checkpoint_offset = 0,
          checkpoint_state = NULL, bytes_read = 0, records_loaded = 0, records_rejected = 0,
          error_code = NULL, error = NULL, pruned_at = NULL,
          finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
        WHERE id = ?1",
    )
    .bind(id.0)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    staging::discard(writing.connection(), id).await?;
    let Removed { rows, rejects } = remove(writing.connection(), id, Some(table)).await?;
    writing.commit().await?;
    Ok(Unloaded::Done { rows, of, rejects })
}

/// What was taken out of table and rejects.
pub(super) struct Removed {
    pub(super) rows: u64,
    pub(super) rejects: u64,
}

/// Takes an arrival's rejects out, and its rows where the table can tell them.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    id: ArrivalId,
    table: Option<&Table>,
) -> Result<Removed> {
    let sql = "-- ledger::remove_rejects\nDELETE FROM arrivage_reject WHERE arrival_id = ?1";
    let removed = sqlx::query(sql).bind(id.0).execute(&mut *connection).await;
    let rejects = removed.map_err(classify::statement)?.rows_affected();
    let Some(table) = table.filter(|table| table.has_arrival_id) else {
        return Ok(Removed { rows: 0, rejects });
    };
    let name = target::quote(&table.name.name);
    let sql = format!("-- ledger::remove_rows\nDELETE FROM {name} WHERE _arrival_id = ?1");
    let removed = sqlx::query(&sql).bind(id.0).execute(connection).await;
    let removed = removed.map_err(|error| classify::drifted(error, &table.name))?;
    let rows = removed.rows_affected();
    Ok(Removed { rows, rejects })
}

pub(super) async fn dismiss(database: &Database, ids: &[ArrivalId]) -> Result<Vec<Dismissed>> {
    let mut writing = database.write().await?;
    let mut answers = Vec::with_capacity(ids.len());
    for &id in ids {
        let found = history::find(writing.connection(), id).await?;
        let answer = found.map_or(Dismissed::Unknown, |arrival| dismissed(arrival.state));
        if answer == Dismissed::Done {
            sqlx::query(
                "-- ledger::dismiss
                UPDATE arrivage_arrival SET state = 'dismissed' WHERE id = ?1",
            )
            .bind(id.0)
            .execute(writing.connection())
            .await
            .map_err(classify::statement)?;
            staging::forget(writing.connection(), id).await?;
        }
        answers.push(answer);
    }
    writing.commit().await?;
    Ok(answers)
}
