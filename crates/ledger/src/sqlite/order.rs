//! Which of two contents of a key is the newer one.

use arrivage_model::ArrivalId;
use sqlx::SqliteConnection;

use super::classify;
use crate::Result;

/// Whether a newer content of the arrival's key is loaded, half loaded or being loaded. Newer is,
/// in this order: the later last_modified, to the second, because listings and HEAD
/// tell no more; the greater sequencer (hexadecimal, of any length); what was
/// registered later.
pub(super) async fn is_overtaken(
    connection: &mut SqliteConnection,
    arrival: ArrivalId,
) -> Result<bool> {
    sqlx::query_scalar(
        "-- ledger::is_overtaken
        SELECT EXISTS (
          SELECT 1 FROM (
            SELECT *, substr(lower(sequencer) || printf('%.64c', '0'), 1, 64) AS nth
            FROM arrivage_arrival WHERE id = ?1) a
          JOIN (
            SELECT *, substr(lower(sequencer) || printf('%.64c', '0'), 1, 64) AS nth
            FROM arrivage_arrival) b USING (pipeline, store, bucket, key)
          WHERE b.id <> a.id
            AND (b.state IN ('loading', 'loaded')
              OR b.records_loaded > 0 AND b.state IN ('waiting', 'failed', 'dismissed'))
            AND CASE
            WHEN substr(b.last_modified, 1, 19) <> substr(a.last_modified, 1, 19)
              THEN b.last_modified > a.last_modified
            WHEN b.nth <> a.nth THEN b.nth > a.nth
            ELSE b.id > a.id END)",
    )
    .bind(arrival.0)
    .fetch_one(connection)
    .await
    .map_err(classify::statement)
}
