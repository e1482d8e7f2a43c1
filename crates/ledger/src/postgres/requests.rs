use arrivage_model::ArrivalId;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{PgTransaction, begin, classify, commit, query};
use crate::{Request, Result};

pub(super) async fn request(pool: &PgPool, key: &str) -> Result<Option<Request>> {
    let mut tx = begin(pool).await?;
    let found = find(&mut tx, key).await?;
    commit(tx).await?;
    Ok(found)
}

pub(super) async fn keep_request(pool: &PgPool, request: &Request) -> Result<Request> {
    let arrivals: Vec<i64> = request.arrivals.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    query(
        "-- ledger::keep_request
        INSERT INTO arrivage.request (key, fingerprint, arrivals) VALUES ($1, $2, $3)
        ON CONFLICT (key) DO NOTHING",
    )
    .bind(&request.key)
    .bind(&request.fingerprint)
    .bind(arrivals)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    query(
        "-- ledger::bound_requests
        DELETE FROM arrivage.request WHERE id <= (
          SELECT id FROM arrivage.request ORDER BY id DESC OFFSET $1 LIMIT 1)",
    )
    .bind(Request::KEPT)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let stands = find(&mut tx, &request.key).await?;
    commit(tx).await?;
    Ok(stands.unwrap_or_else(|| request.clone()))
}

async fn find(tx: &mut PgTransaction, key: &str) -> Result<Option<Request>> {
    let row = query(
        "-- ledger::request
        SELECT key, fingerprint, arrivals FROM arrivage.request WHERE key = $1",
    )
    .bind(key)
    .fetch_optional(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let read = |row: PgRow| Request {
        key: row.get("key"),
        fingerprint: row.get("fingerprint"),
        arrivals: row
            .get::<Vec<i64>, _>("arrivals")
            .into_iter()
            .map(ArrivalId)
            .collect(),
    };
    Ok(row.map(read))
}
