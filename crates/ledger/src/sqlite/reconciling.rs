use arrivage_model::{ArrivalId, ETag, Location};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::database::Database;
use super::{classify, history, intake};
use crate::{Content, Registered, Registration, Result};

/// One range of the unique index, which begins with the place.
pub(super) async fn contents(
    database: &Database,
    place: &Location,
    after: Option<&Content>,
    limit: usize,
) -> Result<Vec<Content>> {
    let rows = sqlx::query(
        "-- ledger::contents
        SELECT key, etag, pipeline, id, state, finished_at FROM arrivage_arrival
        WHERE store = ?1 AND bucket = ?2 AND (key, etag, pipeline) > (?3, ?4, ?5)
        ORDER BY store, bucket, key, etag, pipeline LIMIT ?6",
    )
    .bind(place.store.as_str())
    .bind(&place.bucket)
    .bind(after.map_or(place.key.as_str(), |content| &content.key))
    .bind(after.map_or("", |content| content.etag.as_str()))
    .bind(after.map_or("", |content| &content.pipeline))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    rows.iter()
        .map(read)
        .take_while(|content| {
            let below = |content: &Content| content.key.starts_with(&place.key);
            content.as_ref().is_ok_and(below) || content.is_err()
        })
        .collect()
}

fn read(row: &SqliteRow) -> Result<Content> {
    Ok(Content {
        key: history::get(row, "key")?,
        etag: ETag::kept(history::get(row, "etag")?),
        pipeline: history::get(row, "pipeline")?,
        id: ArrivalId(history::get(row, "id")?),
        state: history::state(row)?,
        finished_at: history::get(row, "finished_at")?,
    })
}

pub(super) async fn adopt(database: &Database, found: &[Registration]) -> Result<Vec<Registered>> {
    let mut writing = database.write().await?;
    let mut answers = Vec::with_capacity(found.len());
    for registration in found {
        let connection = writing.connection();
        if let Some(id) = intake::insert(connection, registration).await? {
            sqlx::query(
                "-- ledger::adopt
                UPDATE arrivage_arrival SET
                  state = 'loaded', finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                  error_code = 'adopted', error = 'another tool had loaded it before'
                WHERE id = ?1",
            )
            .bind(id.0)
            .execute(connection)
            .await
            .map_err(classify::statement)?;
            answers.push(Registered::New(id));
            continue;
        }
        let object = &registration.object;
        let row = sqlx::query(
            "-- ledger::adopted
            SELECT id, state FROM arrivage_arrival
            WHERE pipeline = ?1 AND store = ?2 AND bucket = ?3 AND key = ?4 AND etag = ?5",
        )
        .bind(&registration.pipeline)
        .bind(object.location.store.as_str())
        .bind(&object.location.bucket)
        .bind(&object.location.key)
        .bind(object.etag.as_str())
        .fetch_one(connection)
        .await
        .map_err(classify::statement)?;
        let id = ArrivalId(row.get("id"));
        answers.push(Registered::Known(id, history::state(&row)?));
    }
    writing.commit().await?;
    Ok(answers)
}
