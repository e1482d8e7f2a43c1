use arrivage_model::{ArrivalId, Object, State};
use sqlx::SqliteConnection;

use super::database::Database;
use super::{classify, history, intake};
use crate::{Replay, Replayed, Result};

pub(super) async fn replay(
    database: &Database,
    ids: &[ArrivalId],
    how: Replay,
) -> Result<Vec<Replayed>> {
    let from_start = matches!(how, Replay::FromStart | Replay::FromStartByForce);
    let force = matches!(how, Replay::ContinueByForce | Replay::FromStartByForce);
    let mut writing = database.write().await?;
    let mut answers = Vec::with_capacity(ids.len());
    for &id in ids {
        let connection = writing.connection();
        let answer = match history::find(connection, id)
            .await?
            .map(|arrival| arrival.state)
        {
            None => Replayed::Unknown,
            Some(State::Loading) if !force => Replayed::Loading,
            Some(State::Loaded) if !from_start => Replayed::AlreadyLoaded,
            Some(_) => {
                queue(connection, id, from_start).await?;
                Replayed::Queued
            }
        };
        answers.push(answer);
    }
    writing.commit().await?;
    Ok(answers)
}

pub(super) async fn load_anew(database: &Database, id: ArrivalId, now: &Object) -> Result<()> {
    let mut writing = database.write().await?;
    let connection = writing.connection();
    let found = history::find(connection, id).await?;
    if found.is_some_and(|arrival| arrival.state == State::Loaded) {
        queue(connection, id, true).await?;
        intake::as_of_now(connection, id, now, true).await?;
        intake::put_last(connection, id).await?;
    }
    writing.commit().await
}

/// Whoever holds a lease on it is fenced.
async fn queue(connection: &mut SqliteConnection, id: ArrivalId, from_start: bool) -> Result<()> {
    sqlx::query(
        "-- ledger::replay
        UPDATE arrivage_arrival SET
          state = 'waiting', restart = restart OR ?2, fence = fence + 1, barren = 0,
          lease_id = NULL, lease_until = NULL,
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
          error_code = NULL, error = NULL, finished_at = NULL
        WHERE id = ?1",
    )
    .bind(id.0)
    .bind(from_start)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}
