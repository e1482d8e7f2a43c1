use std::time::Duration;

use arrivage_fault::{Point, reach};
use arrivage_model::{Arrival, ArrivalId, Checkpoint, Fence, Lease, LeaseId};
use sqlx::{Row, SqliteConnection};

use super::candidates::{candidate, small};
use super::database::Database;
use super::{classify, from_now, history, order};
use crate::{Along, Claim, Claimed, LedgerError, Result, Scope};

pub(super) async fn claim(
    database: &Database,
    pipelines: &[String],
    scope: &Scope,
    owner: &str,
    length: Duration,
) -> Result<Claimed> {
    // An idle poll only reads: it neither waits for a writer nor holds one up.
    let mut looking = database
        .reading()
        .acquire()
        .await
        .map_err(classify::statement)?;
    let idle = candidate(&mut looking, pipelines, scope, owner)
        .await?
        .is_none();
    drop(looking);
    if idle {
        return Ok(Claimed::default());
    }
    let mut writing = database.write().await?;
    reach(Point::ClaimBegun).map_err(classify::statement)?;
    let connection = writing.connection();
    let mut claimed = Claimed::default();
    while let Some(candidate) = candidate(connection, pipelines, scope, owner).await? {
        if candidate.used_up {
            give_up(connection, candidate.id).await?;
            let failed = history::find(connection, candidate.id).await?;
            claimed.used_up.extend(failed);
            continue;
        }
        let claim = take(connection, candidate.id, LeaseId::draw(), owner, length).await?;
        if matches!(
            scope,
            Scope::Owner
                | Scope::One {
                    taking_over: true,
                    ..
                }
        ) {
            remember(connection, owner, candidate.id).await?;
        }
        claimed.claim = Some(claim);
        break;
    }
    writing.commit().await?;
    reach(Point::ClaimCommitted).map_err(classify::statement)?;
    Ok(claimed)
}

/// What is small of the next ones, under the lease id of one that is claimed.
pub(super) async fn claim_along(
    database: &Database,
    first: &Claim,
    scope: &Scope,
    along: Along,
    owner: &str,
    length: Duration,
) -> Result<Vec<Claim>> {
    let mut writing = database.write().await?;
    reach(Point::ClaimBegun).map_err(classify::statement)?;
    let connection = writing.connection();
    let pipeline = &first.arrival.pipeline;
    let mut claims = Vec::new();
    for id in small(connection, pipeline, scope, along).await? {
        claims.push(take(connection, id, first.lease.id, owner, length).await?);
    }
    writing.commit().await?;
    reach(Point::ClaimCommitted).map_err(classify::statement)?;
    Ok(claims)
}

/// Ends an arrival whose claims all ended without a word.
async fn give_up(connection: &mut SqliteConnection, id: ArrivalId) -> Result<()> {
    sqlx::query(
        "-- ledger::give_up
        UPDATE arrivage_arrival SET
          state = 'failed', error_code = 'attempts_used_up', lease_id = NULL, lease_until = NULL,
          finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
          error = CASE WHEN barren = 1 THEN 'its last attempt ended without a word'
              ELSE 'its last ' || barren || ' attempts ended without progress, the last one without a word'
            END || ': the lease of ' || owner || ' ran out'
            || coalesce('; before that: ' || error, '')
        WHERE id = ?1",
    )
    .bind(id.0)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

async fn take(
    connection: &mut SqliteConnection,
    id: ArrivalId,
    lease_id: LeaseId,
    owner: &str,
    length: Duration,
) -> Result<Claim> {
    sqlx::query(
        "-- ledger::claim
        UPDATE arrivage_arrival SET
          state = 'loading', attempts = attempts + 1, barren = barren + 1, fence = fence + 1,
          lease_id = ?2, owner = ?3, lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?4),
          started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), finished_at = NULL
        WHERE id = ?1",
    )
    .bind(id.0)
    .bind(lease_id.to_string())
    .bind(owner)
    .bind(from_now(length))
    .execute(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let arrival = history::find(connection, id)
        .await?
        .ok_or(LedgerError::Fenced)?;
    let row = sqlx::query(
        "-- ledger::claimed
        SELECT checkpoint_state, reading, restart, barren FROM arrivage_arrival WHERE id = ?1",
    )
    .bind(id.0)
    .fetch_one(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let overtaken = order::is_overtaken(connection, id).await?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(Claim {
        lease: Lease {
            arrival: id,
            fence: Fence(arrival.fence),
            id: lease_id,
        },
        checkpoint: Checkpoint {
            records: unsigned(arrival.checkpoint_records),
            offset: unsigned(arrival.checkpoint_offset),
            bytes_read: unsigned(arrival.bytes_read),
            state: row.get("checkpoint_state"),
        },
        reading: row.get("reading"),
        restart: row.get("restart"),
        overtaken,
        barren: row.get("barren"),
        arrival,
    })
}

/// Keeps for thirty days which arrival a named owner claimed last.
async fn remember(connection: &mut SqliteConnection, owner: &str, id: ArrivalId) -> Result<()> {
    sqlx::query(
        "-- ledger::remember
        INSERT INTO arrivage_owner (name, arrival_id) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET
          arrival_id = excluded.arrival_id, claimed_at = excluded.claimed_at",
    )
    .bind(owner)
    .bind(id.0)
    .execute(&mut *connection)
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::forget
        DELETE FROM arrivage_owner
        WHERE claimed_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 days')",
    )
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

pub(super) async fn last_claim_of(database: &Database, owner: &str) -> Result<Option<Arrival>> {
    let row = sqlx::query(
        "-- ledger::last_claim_of
        SELECT a.* FROM arrivage_owner o JOIN arrivage_arrivals a ON a.id = o.arrival_id
        WHERE o.name = ?1",
    )
    .bind(owner)
    .fetch_optional(database.reading())
    .await
    .map_err(classify::statement)?;
    row.as_ref().map(history::read).transpose()
}
