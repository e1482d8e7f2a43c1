use arrivage_model::ArrivalId;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;

use super::classify;
use super::database::Database;
use super::history::get;
use crate::{Request, Result};

pub(super) async fn request(database: &Database, key: &str) -> Result<Option<Request>> {
    find(database.reading(), key).await
}

pub(super) async fn keep_request(database: &Database, request: &Request) -> Result<Request> {
    let mut writing = database.write().await?;
    sqlx::query(
        "-- ledger::keep_request
        INSERT INTO arrivage_request (key, fingerprint, arrivals) VALUES (?1, ?2, ?3)
        ON CONFLICT (key) DO NOTHING",
    )
    .bind(&request.key)
    .bind(&request.fingerprint)
    .bind(Json(&request.arrivals))
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::bound_requests
        DELETE FROM arrivage_request WHERE id <= (
          SELECT id FROM arrivage_request ORDER BY id DESC LIMIT 1 OFFSET ?1)",
    )
    .bind(Request::KEPT)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    let stands = find(writing.connection(), &request.key).await?;
    writing.commit().await?;
    Ok(stands.unwrap_or_else(|| request.clone()))
}

async fn find<'a>(within: impl SqliteExecutor<'a>, key: &str) -> Result<Option<Request>> {
    let row = sqlx::query(
        "-- ledger::request
        SELECT key, fingerprint, arrivals FROM arrivage_request WHERE key = ?1",
    )
    .bind(key)
    .fetch_optional(within)
    .await
    .map_err(classify::statement)?;
    row.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Request> {
    let Json(arrivals) = get::<Json<Vec<ArrivalId>>>(row, "arrivals")?;
    Ok(Request {
        key: get(row, "key")?,
        fingerprint: get(row, "fingerprint")?,
        arrivals,
    })
}
