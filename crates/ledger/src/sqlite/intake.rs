use arrivage_fault::{Point, reach};
use arrivage_model::{ArrivalId, Object, State};
use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use sqlx::{Row, SqliteConnection};

use super::database::Database;
use super::{classify, history};
use crate::again::{Again, Known, again};
use crate::{FoundBy, Registered, Registration, Result};

pub(super) async fn register(
    database: &Database,
    found: &[Registration],
) -> Result<Vec<Registered>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut writing = database.write().await?;
    reach(Point::RegisterBegun).map_err(classify::statement)?;
    let mut answers = Vec::with_capacity(found.len());
    for registration in found {
        let answer = match insert(writing.connection(), registration).await? {
            Some(id) => Registered::New(id),
            None => notify_again(writing.connection(), registration).await?,
        };
        answers.push(answer);
    }
    writing.commit().await?;
    reach(Point::RegisterCommitted).map_err(classify::statement)?;
    Ok(answers)
}

/// Inserts what is new; nothing where it was known.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    found: &Registration,
) -> Result<Option<ArrivalId>> {
    let object = &found.object;
    let id: Option<i64> = sqlx::query_scalar(
        "-- ledger::register
        INSERT INTO arrivage_arrival (pipeline, store, bucket, key, etag,
          version_id, size, last_modified, sequencer, last_message)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (pipeline, store, bucket, key, etag) DO NOTHING
        RETURNING id",
    )
    .bind(&found.pipeline)
    .bind(object.location.store.as_str())
    .bind(&object.location.bucket)
    .bind(&object.location.key)
    .bind(object.etag.as_str())
    .bind(object.version_id.as_ref().map(|version| version.as_str()))
    .bind(object.size.and_then(|size| i64::try_from(size).ok()))
    .bind(object.last_modified.and_then(moment))
    .bind(object.sequencer.as_deref())
    .bind(message(&found.found_by))
    .fetch_optional(connection)
    .await
    .map_err(classify::statement)?;
    Ok(id.map(ArrivalId))
}

/// What a registration of a known identity does.
async fn notify_again(
    connection: &mut SqliteConnection,
    found: &Registration,
) -> Result<Registered> {
    let object = &found.object;
    let row = sqlx::query(
        "-- ledger::notify_again
        SELECT a.id, a.state, a.last_message,
          coalesce(a.finished_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 minute'), 1)
            AS rested,
          EXISTS (
            SELECT 1 FROM arrivage_arrival b
            WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
              AND b.key = a.key AND CASE b.state
                WHEN 'loaded' THEN (b.finished_at, b.id) > (a.finished_at, a.id)
                ELSE b.started_at > a.finished_at END) AS overtaken
        FROM arrivage_arrival a
        WHERE a.pipeline = ?1 AND a.store = ?2 AND a.bucket = ?3 AND a.key = ?4 AND a.etag = ?5",
    )
    .bind(&found.pipeline)
    .bind(object.location.store.as_str())
    .bind(&object.location.bucket)
    .bind(&object.location.key)
    .bind(object.etag.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let id = ArrivalId(row.get("id"));
    let state = history::state(&row)?;
    let last_message: Option<&str> = row.get("last_message");
    let known = Known {
        state,
        last_message,
        rested: row.get("rested"),
    };
    let what = again(known, &found.found_by);
    let is_new = match &found.found_by {
        FoundBy::Message(message) => last_message != Some(message),
        // Said again, it has the same time, and changes nothing.
        FoundBy::Webhook => true,
        FoundBy::Listing | FoundBy::Person => false,
    };
    let version = object.version_id.as_ref().map(|version| version.as_str());
    count(connection, id, &found.found_by, version).await?;
    if is_new {
        as_of_now(connection, id, object, what == Again::Requeue).await?;
    }
    if what == Again::Requeue {
        requeue(connection, id).await?;
        return Ok(Registered::Requeued(id));
    }
    Ok(match state {
        State::Loaded if row.get("overtaken") => Registered::LoadedBefore(id),
        state => Registered::Known(id, state),
    })
}

/// Counts a notification, and fills in the version that it brings.
async fn count(
    connection: &mut SqliteConnection,
    id: ArrivalId,
    found_by: &FoundBy,
    version: Option<&str>,
) -> Result<()> {
    let told = matches!(found_by, FoundBy::Message(_) | FoundBy::Webhook);
    if !told && version.is_none() {
        return Ok(());
    }
    sqlx::query(
        "-- ledger::count
        UPDATE arrivage_arrival SET
          duplicate_notifications = duplicate_notifications + ?4,
          last_message = coalesce(?2, last_message),
          version_id = coalesce(version_id, ?3)
        WHERE id = ?1",
    )
    .bind(id.0)
    .bind(message(found_by))
    .bind(version)
    .bind(told)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

async fn requeue(connection: &mut SqliteConnection, id: ArrivalId) -> Result<()> {
    sqlx::query(
        "-- ledger::requeue
        UPDATE arrivage_arrival SET
          state = 'waiting', fence = fence + 1, barren = 0, lease_id = NULL,
          due_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
          error_code = NULL, error = NULL, finished_at = NULL
        WHERE id = ?1",
    )
    .bind(id.0)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

/// A content that comes again is as new as what told of it.
/// `again`: it is read again, and so in the version that is told of now.
pub(super) async fn as_of_now(
    connection: &mut SqliteConnection,
    id: ArrivalId,
    now: &Object,
    again: bool,
) -> Result<()> {
    sqlx::query(
        "-- ledger::as_of_now
        UPDATE arrivage_arrival SET
          version_id = CASE WHEN ?5 THEN coalesce(?2, version_id) ELSE version_id END,
          sequencer = CASE WHEN ?4 < last_modified THEN sequencer ELSE coalesce(?3, sequencer) END,
          last_modified = max(coalesce(last_modified, ?4), coalesce(?4, last_modified))
        WHERE id = ?1",
    )
    .bind(id.0)
    .bind(now.version_id.as_ref().map(|version| version.as_str()))
    .bind(now.sequencer.as_deref())
    .bind(now.last_modified.and_then(moment))
    .bind(again)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

/// What stands at its key now is the newest of its contents, whatever the clocks of
/// stores and notifications say.
pub(super) async fn put_last(connection: &mut SqliteConnection, id: ArrivalId) -> Result<()> {
    // What has no time would be compared by its id, for ever.
    sqlx::query(
        "-- ledger::put_in_time
        UPDATE arrivage_arrival AS b SET last_modified = b.registered_at
        FROM arrivage_arrival a
        WHERE a.id = ?1 AND b.pipeline = a.pipeline AND b.store = a.store
          AND b.bucket = a.bucket AND b.key = a.key AND b.id <> a.id AND b.last_modified IS NULL",
    )
    .bind(id.0)
    .execute(&mut *connection)
    .await
    .map_err(classify::statement)?;
    sqlx::query(
        "-- ledger::put_last
        UPDATE arrivage_arrival AS a SET last_modified = nullif(max(coalesce(a.last_modified, ''), coalesce((
          SELECT strftime('%Y-%m-%dT%H:%M:%S', max(b.last_modified), '+1 second') || '.000000Z'
          FROM arrivage_arrival b
          WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
            AND b.key = a.key AND b.id <> a.id
            AND (b.state IN ('loading', 'loaded') OR b.records_loaded > 0)), '')), '')
        WHERE a.id = ?1",
    )
    .bind(id.0)
    .execute(connection)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

fn message(found_by: &FoundBy) -> Option<&str> {
    match found_by {
        FoundBy::Message(id) => Some(id),
        FoundBy::Webhook | FoundBy::Listing | FoundBy::Person => None,
    }
}

/// A store's time as the ledger keeps it; nothing beyond the years that text
/// holds in four digits.
fn moment(time: DateTime<Utc>) -> Option<String> {
    let fits = (0..=9999).contains(&time.year());
    fits.then(|| time.to_rfc3339_opts(SecondsFormat::Micros, true))
}
