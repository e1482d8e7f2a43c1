use std::collections::BTreeMap;

use arrivage_model::{ArrivalId, State, VersionId};
use sqlx::{PgPool, Row};

use super::{begin, classify, commit, history};
use crate::again::{Again, again};
use crate::{Declared, FoundBy, Ignored, Registered, Registration, Result, Unreadable};

/// How many objects without a pipeline, and how many unreadable notifications,
/// are kept.
const KEPT_IGNORED: i64 = 1000;
const KEPT_UNREADABLE: i64 = 10_000;

pub(super) async fn declare(pool: &PgPool, pipelines: &[Declared]) -> Result<()> {
    let names: Vec<&str> = pipelines.iter().map(|p| p.name.as_str()).collect();
    let attempts: Vec<i32> = pipelines
        .iter()
        .map(|p| i32::try_from(p.max_attempts).unwrap_or(i32::MAX))
        .collect();
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::declare
        INSERT INTO arrivage.pipeline AS p (name, max_attempts)
        SELECT * FROM unnest($1::text[], $2::int[]) AS declared (name, max_attempts)
        ORDER BY name
        ON CONFLICT (name) DO UPDATE SET max_attempts = EXCLUDED.max_attempts
        WHERE p.max_attempts <> EXCLUDED.max_attempts",
    )
    .bind(names)
    .bind(attempts)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn retain(pool: &PgPool, pipelines: &[String]) -> Result<()> {
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::retain
        DELETE FROM arrivage.pipeline p
        WHERE p.name <> ALL ($1) AND NOT EXISTS (
          SELECT FROM arrivage.arrival a
          WHERE a.pipeline = p.name AND a.state IN ('waiting', 'loading'))",
    )
    .bind(pipelines)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

/// One identity of a batch, with every registration that named it.
struct Found<'a> {
    first: &'a Registration,
    /// The first that any of them brings.
    version: Option<&'a VersionId>,
    messages: Vec<&'a FoundBy>,
    places: Vec<usize>,
}

pub(super) async fn register(pool: &PgPool, found: &[Registration]) -> Result<Vec<Registered>> {
    let mut identities: BTreeMap<_, Found<'_>> = BTreeMap::new();
    for (place, registration) in found.iter().enumerate() {
        let object = &registration.object;
        let identity = (&registration.pipeline, &object.location, &object.etag);
        let entry = identities.entry(identity).or_insert(Found {
            first: registration,
            version: None,
            messages: Vec::new(),
            places: Vec::new(),
        });
        entry.version = entry.version.or(object.version_id.as_ref());
        entry.messages.push(&registration.found_by);
        entry.places.push(place);
    }
    let mut answers = vec![None; found.len()];
    let mut tx = begin(pool).await?;
    let identities: Vec<Found<'_>> = identities.into_values().collect();
    let new = insert(&mut tx, &identities).await?;
    for (identity, id) in identities.iter().zip(new) {
        let answer = match id {
            Some(id) => {
                let rest = &identity.messages[1..];
                count(&mut tx, id, notifications(rest), last_message(rest), false).await?;
                Registered::New(id)
            }
            None => notify_again(&mut tx, identity).await?,
        };
        for (nth, place) in identity.places.iter().enumerate() {
            answers[*place] = Some(match answer {
                Registered::New(id) if nth > 0 => Registered::Known(id, State::Waiting),
                answer => answer,
            });
        }
    }
    commit(tx).await?;
    Ok(answers
        .into_iter()
        .map(|answer| answer.expect("every registration has an identity"))
        .collect())
}

fn notifications(messages: &[&FoundBy]) -> i64 {
    messages
        .iter()
        .filter(|found_by| matches!(found_by, FoundBy::Message(_)))
        .count() as i64
}

fn last_message<'a>(messages: &[&'a FoundBy]) -> Option<&'a str> {
    messages.iter().rev().find_map(|found_by| match found_by {
        FoundBy::Message(id) => Some(id.as_str()),
        FoundBy::Listing | FoundBy::Person => None,
    })
}

/// Inserts what is new; for each identity its id, or nothing where it was known.
async fn insert(
    tx: &mut super::PgTransaction,
    identities: &[Found<'_>],
) -> Result<Vec<Option<ArrivalId>>> {
    fn all<'a, T>(found: &[Found<'a>], of: impl Fn(&'a Registration) -> T) -> Vec<T> {
        found.iter().map(|identity| of(identity.first)).collect()
    }
    let rows = sqlx::query(
        "-- ledger::register
        WITH found AS (
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
            $6::text[], $7::bigint[], $8::timestamptz[], $9::text[], $10::text[])
          WITH ORDINALITY AS f (pipeline, store, bucket, key, etag,
            version_id, size, last_modified, sequencer, last_message, place)
        ), inserted AS (
          INSERT INTO arrivage.arrival (pipeline, store, bucket, key, etag,
            version_id, size, last_modified, sequencer, last_message)
          SELECT pipeline, store, bucket, key, etag,
            version_id, size, last_modified, sequencer, last_message
          FROM found ORDER BY place
          ON CONFLICT (pipeline, store, bucket, key, etag) DO NOTHING
          RETURNING id, pipeline, store, bucket, key, etag
        )
        SELECT f.place, i.id FROM found f
        JOIN inserted i USING (pipeline, store, bucket, key, etag)",
    )
    .bind(all(identities, |r| r.pipeline.as_str()))
    .bind(all(identities, |r| r.object.location.store.as_str()))
    .bind(all(identities, |r| r.object.location.bucket.as_str()))
    .bind(all(identities, |r| r.object.location.key.as_str()))
    .bind(all(identities, |r| r.object.etag.as_str()))
    .bind(all(identities, |r| {
        r.object.version_id.as_ref().map(|version| version.as_str())
    }))
    .bind(all(identities, |r| {
        r.object.size.and_then(|size| i64::try_from(size).ok())
    }))
    .bind(all(identities, |r| r.object.last_modified))
    .bind(all(identities, |r| r.object.sequencer.as_deref()))
    .bind(all(identities, |r| last_message(&[&r.found_by])))
    .fetch_all(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let mut new = vec![None; identities.len()];
    for row in rows {
        let place: i64 = row.get("place");
        new[place as usize - 1] = Some(ArrivalId(row.get("id")));
    }
    Ok(new)
}

/// What a registration of a known identity does, under the row's lock.
async fn notify_again(tx: &mut super::PgTransaction, found: &Found<'_>) -> Result<Registered> {
    let object = &found.first.object;
    let row = sqlx::query(
        "-- ledger::notify_again
        SELECT a.id, a.state, a.last_message, EXISTS (
            SELECT FROM arrivage.arrival b
            WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
              AND b.key = a.key AND b.state = 'loaded'
              AND (b.finished_at, b.id) > (a.finished_at, a.id)) AS overtaken
        FROM arrivage.arrival a
        WHERE a.pipeline = $1 AND a.store = $2 AND a.bucket = $3 AND a.key = $4 AND a.etag = $5
        FOR NO KEY UPDATE OF a",
    )
    .bind(&found.first.pipeline)
    .bind(object.location.store.as_str())
    .bind(&object.location.bucket)
    .bind(&object.location.key)
    .bind(object.etag.as_str())
    .fetch_one(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let id = ArrivalId(row.get("id"));
    let state = history::state(&row)?;
    let mut last: Option<String> = row.get("last_message");
    let mut requeue = false;
    for found_by in &found.messages {
        requeue |= again(state, last.as_deref(), found_by) == Again::Requeue;
        if let FoundBy::Message(message) = found_by {
            last = Some(message.clone());
        }
    }
    if let Some(version) = found.version {
        pin(tx, id, version.as_str()).await?;
    }
    count(
        tx,
        id,
        notifications(&found.messages),
        last.as_deref(),
        requeue,
    )
    .await?;
    Ok(match state {
        _ if requeue => Registered::Requeued(id),
        State::Loaded if row.get("overtaken") => Registered::LoadedBefore(id),
        state => Registered::Known(id, state),
    })
}

/// A later notification that brings the version fills it in.
async fn pin(tx: &mut super::PgTransaction, id: ArrivalId, version: &str) -> Result<()> {
    sqlx::query(
        "-- ledger::pin
        UPDATE arrivage.arrival SET version_id = $2 WHERE id = $1 AND version_id IS NULL",
    )
    .bind(id.0)
    .bind(version)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

async fn count(
    tx: &mut super::PgTransaction,
    id: ArrivalId,
    notifications: i64,
    last_message: Option<&str>,
    requeue: bool,
) -> Result<()> {
    if notifications == 0 {
        return Ok(());
    }
    sqlx::query(
        "-- ledger::count
        UPDATE arrivage.arrival SET
          duplicate_notifications = duplicate_notifications + $2,
          last_message = coalesce($3, last_message),
          state = CASE WHEN $4 THEN 'waiting' ELSE state END,
          due_at = CASE WHEN $4 THEN clock_timestamp() ELSE due_at END,
          fence = CASE WHEN $4 THEN fence + 1 ELSE fence END,
          barren = CASE WHEN $4 THEN 0 ELSE barren END,
          error_code = CASE WHEN $4 THEN NULL ELSE error_code END,
          error = CASE WHEN $4 THEN NULL ELSE error END,
          finished_at = CASE WHEN $4 THEN NULL ELSE finished_at END
        WHERE id = $1",
    )
    .bind(id.0)
    .bind(notifications)
    .bind(last_message)
    .bind(requeue)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

pub(super) async fn load_anew(pool: &PgPool, id: ArrivalId) -> Result<()> {
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::load_anew
        UPDATE arrivage.arrival SET
          state = 'waiting', restart = true, fence = fence + 1, barren = 0,
          due_at = clock_timestamp(), finished_at = NULL
        WHERE id = $1 AND state = 'loaded'",
    )
    .bind(id.0)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn keep_unreadable(pool: &PgPool, notifications: &[Unreadable]) -> Result<()> {
    fn all<'a>(n: &'a [Unreadable], of: impl Fn(&'a Unreadable) -> &'a str) -> Vec<String> {
        n.iter().map(|n| of(n).replace('\0', "\u{FFFD}")).collect()
    }
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::keep_unreadable
        INSERT INTO arrivage.unreadable_notification (source, body, reason)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[])",
    )
    .bind(all(notifications, |n| &n.source))
    .bind(all(notifications, |n| {
        crate::words::cut(&n.body, Unreadable::MAX_BODY)
    }))
    .bind(all(notifications, |n| &n.reason))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::bound_unreadable
        DELETE FROM arrivage.unreadable_notification WHERE id <= (
          SELECT id FROM arrivage.unreadable_notification ORDER BY id DESC OFFSET $1 LIMIT 1)",
    )
    .bind(KEPT_UNREADABLE)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn keep_ignored(pool: &PgPool, objects: &[Ignored]) -> Result<()> {
    fn all<'a, T>(objects: &'a [Ignored], of: impl Fn(&'a Ignored) -> T) -> Vec<T> {
        objects.iter().map(of).collect()
    }
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::keep_ignored
        INSERT INTO arrivage.ignored_object (store, bucket, key, size, source)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])",
    )
    .bind(all(objects, |o| o.location.store.as_str()))
    .bind(all(objects, |o| o.location.bucket.as_str()))
    .bind(all(objects, |o| o.location.key.as_str()))
    .bind(all(objects, |o| {
        o.size.and_then(|size| i64::try_from(size).ok())
    }))
    .bind(all(objects, |o| o.source.as_str()))
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::bound_ignored
        DELETE FROM arrivage.ignored_object WHERE id <= (
          SELECT id FROM arrivage.ignored_object ORDER BY id DESC OFFSET $1 LIMIT 1)",
    )
    .bind(KEPT_IGNORED)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn set_paused(pool: &PgPool, pipeline: &str, why: Option<&str>) -> Result<()> {
    let mut tx = begin(pool).await?;
    sqlx::query(
        "-- ledger::pause\nUPDATE arrivage.pipeline SET paused_reason = $2 WHERE name = $1",
    )
    .bind(pipeline)
    .bind(why)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await
}

pub(super) async fn paused(pool: &PgPool, pipelines: &[String]) -> Result<Vec<(String, String)>> {
    let mut tx = begin(pool).await?;
    let rows = sqlx::query_as(
        "-- ledger::paused
        SELECT name, paused_reason FROM arrivage.pipeline
        WHERE name = ANY ($1) AND paused_reason IS NOT NULL ORDER BY name",
    )
    .bind(pipelines)
    .fetch_all(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    Ok(rows)
}
