use std::collections::BTreeSet;

use arrivage_model::{ArrivalId, ETag, Location};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{begin, classify, commit, history, query};
use crate::{Content, Registered, Registration, Result};

/// One range of the unique index, which begins with the place.
pub(super) async fn contents(
    pool: &PgPool,
    place: &Location,
    after: Option<&Content>,
    limit: usize,
) -> Result<Vec<Content>> {
    let mut tx = begin(pool).await?;
    let rows = query(
        "-- ledger::contents
        SELECT key, etag, pipeline, id, state, finished_at FROM arrivage.arrival
        WHERE store = $1 AND bucket = $2 AND (key, etag, pipeline) > ($3, $4, $5)
        ORDER BY store, bucket, key, etag, pipeline LIMIT $6",
    )
    .bind(place.store.as_str())
    .bind(&place.bucket)
    .bind(after.map_or(place.key.as_str(), |content| &content.key))
    .bind(after.map_or("", |content| content.etag.as_str()))
    .bind(after.map_or("", |content| &content.pipeline))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    rows.iter()
        .map(read)
        .take_while(|content| {
            let below = |content: &Content| content.key.starts_with(&place.key);
            content.as_ref().is_ok_and(below) || content.is_err()
        })
        .collect()
}

fn read(row: &PgRow) -> Result<Content> {
    Ok(Content {
        key: row.get("key"),
        etag: ETag::kept(row.get("etag")),
        pipeline: row.get("pipeline"),
        id: ArrivalId(row.get("id")),
        state: history::state(row)?,
        finished_at: row.get("finished_at"),
    })
}

pub(super) async fn adopt(pool: &PgPool, found: &[Registration]) -> Result<Vec<Registered>> {
    // Sorted, so that two of these insert in the same order.
    let mut sorted: Vec<&Registration> = found.iter().collect();
    sorted.sort_by_key(|r| (&r.pipeline, &r.object.location, &r.object.etag));
    fn all<'a, T>(found: &[&'a Registration], of: impl Fn(&'a Registration) -> T) -> Vec<T> {
        found.iter().map(|registration| of(registration)).collect()
    }
    let mut tx = begin(pool).await?;
    let new = query(
        "-- ledger::adopt
        INSERT INTO arrivage.arrival (pipeline, store, bucket, key, etag, version_id, size,
          last_modified, sequencer, state, finished_at, error_code, error)
        SELECT *, 'loaded', clock_timestamp(), 'adopted', 'another tool had loaded it before'
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
          $6::text[], $7::bigint[], $8::timestamptz[], $9::text[])
        ON CONFLICT (pipeline, store, bucket, key, etag) DO NOTHING
        RETURNING id",
    )
    .bind(all(&sorted, |r| r.pipeline.as_str()))
    .bind(all(&sorted, |r| r.object.location.store.as_str()))
    .bind(all(&sorted, |r| r.object.location.bucket.as_str()))
    .bind(all(&sorted, |r| r.object.location.key.as_str()))
    .bind(all(&sorted, |r| r.object.etag.as_str()))
    .bind(all(&sorted, |r| {
        r.object.version_id.as_ref().map(|version| version.as_str())
    }))
    .bind(all(&sorted, |r| {
        r.object.size.and_then(|size| i64::try_from(size).ok())
    }))
    .bind(all(&sorted, |r| r.object.last_modified))
    .bind(all(&sorted, |r| r.object.sequencer.as_deref()))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    let new: BTreeSet<i64> = new.iter().map(|row| row.get("id")).collect();
    let places: Vec<&Registration> = found.iter().collect();
    let rows = query(
        "-- ledger::adopted
        SELECT a.id, a.state
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
          WITH ORDINALITY AS f (pipeline, store, bucket, key, etag, place)
        JOIN arrivage.arrival a USING (pipeline, store, bucket, key, etag)
        ORDER BY f.place",
    )
    .bind(all(&places, |r| r.pipeline.as_str()))
    .bind(all(&places, |r| r.object.location.store.as_str()))
    .bind(all(&places, |r| r.object.location.bucket.as_str()))
    .bind(all(&places, |r| r.object.location.key.as_str()))
    .bind(all(&places, |r| r.object.etag.as_str()))
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.get("id");
            Ok(match new.contains(&id) {
                true => Registered::New(ArrivalId(id)),
                false => Registered::Known(ArrivalId(id), history::state(row)?),
            })
        })
        .collect()
}
