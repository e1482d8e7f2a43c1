use std::collections::BTreeMap;

use arrivage_fault::{Point, reach};
use arrivage_model::{ArrivalId, ETag, Location, Object, State, VersionId};
use sqlx::{PgPool, Row};

use super::statements::Often;
use super::{begin, classify, commit, history, query};
use crate::again::{Again, Known, again};
use crate::{FoundBy, Registered, Registration, Result};

/// One identity of a batch, with every registration that named it.
struct Found<'a> {
    first: &'a Registration,
    /// The first that any of them brings.
    version: Option<&'a VersionId>,
    messages: Vec<&'a FoundBy>,
    places: Vec<usize>,
}

impl<'a> Found<'a> {
    fn identity(&self) -> (&'a str, &'a Location, &'a ETag) {
        let Registration {
            pipeline, object, ..
        } = self.first;
        (pipeline, &object.location, &object.etag)
    }

    /// Nobody told of it: it only stands where somebody looked, and nothing more is
    /// known of it now.
    fn is_listed(&self) -> bool {
        self.version.is_none()
            && self
                .messages
                .iter()
                .all(|found_by| **found_by == FoundBy::Listing)
    }
}

pub(super) async fn register(
    pool: &PgPool,
    often: Often,
    found: &[Registration],
) -> Result<Vec<Registered>> {
    let mut identities: BTreeMap<_, Found<'_>> = BTreeMap::new();
    for (place, registration) in found.iter().enumerate() {
        let object = &registration.object;
        let identity = (
            registration.pipeline.as_str(),
            &object.location,
            &object.etag,
        );
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
    reach(Point::RegisterBegun).map_err(classify::statement)?;
    let identities: Vec<Found<'_>> = identities.into_values().collect();
    let (listed, told): (Vec<_>, Vec<_>) = identities.into_iter().partition(Found::is_listed);
    let known = known(&mut tx, &listed).await?;
    let mut unknown = told;
    for (identity, answer) in listed.into_iter().zip(known) {
        match answer {
            Some(answer) => identity
                .places
                .iter()
                .for_each(|place| answers[*place] = Some(answer)),
            None => unknown.push(identity),
        }
    }
    // Sorted again, so that two watchers insert in the same order.
    unknown.sort_by_key(|found| found.identity());
    let new = insert(&mut tx, often, &unknown).await?;
    for (identity, id) in unknown.iter().zip(new) {
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
    reach(Point::RegisterCommitted).map_err(classify::statement)?;
    Ok(answers
        .into_iter()
        .map(|answer| answer.expect("every registration has an identity"))
        .collect())
}

fn notifications(messages: &[&FoundBy]) -> i64 {
    messages
        .iter()
        .filter(|found_by| matches!(found_by, FoundBy::Message(_) | FoundBy::Webhook))
        .count() as i64
}

fn last_message<'a>(messages: &[&'a FoundBy]) -> Option<&'a str> {
    messages.iter().rev().find_map(|found_by| match found_by {
        FoundBy::Message(id) => Some(id.as_str()),
        FoundBy::Webhook | FoundBy::Listing | FoundBy::Person => None,
    })
}

/// Looks up, without a lock, what a listing sees: most of it is known, and stays
/// as it is.
async fn known(
    tx: &mut super::PgTransaction,
    listed: &[Found<'_>],
) -> Result<Vec<Option<Registered>>> {
    let mut known = vec![None; listed.len()];
    if listed.is_empty() {
        return Ok(known);
    }
    let all = |of: fn(&Registration) -> &str| -> Vec<String> {
        listed
            .iter()
            .map(|found| of(found.first).to_owned())
            .collect()
    };
    let rows = query(
        "-- ledger::known
        SELECT f.place, a.id, a.state, a.state = 'loaded' AND EXISTS (
            SELECT FROM arrivage.arrival b
            WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
              AND b.key = a.key AND CASE b.state
                WHEN 'loaded' THEN (b.finished_at, b.id) > (a.finished_at, a.id)
                ELSE b.started_at > a.finished_at END) AS overtaken
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
          WITH ORDINALITY AS f (pipeline, store, bucket, key, etag, place)
        JOIN arrivage.arrival a USING (pipeline, store, bucket, key, etag)",
    )
    .bind(all(|r| &r.pipeline))
    .bind(all(|r| r.object.location.store.as_str()))
    .bind(all(|r| &r.object.location.bucket))
    .bind(all(|r| &r.object.location.key))
    .bind(all(|r| r.object.etag.as_str()))
    .fetch_all(&mut **tx)
    .await
    .map_err(classify::statement)?;
    for row in rows {
        let place: i64 = row.get("place");
        let id = ArrivalId(row.get("id"));
        known[place as usize - 1] = Some(if row.get("overtaken") {
            Registered::LoadedBefore(id)
        } else {
            Registered::Known(id, history::state(&row)?)
        });
    }
    Ok(known)
}

/// Inserts what is new; for each identity its id, or nothing where it was known.
async fn insert(
    tx: &mut super::PgTransaction,
    often: Often,
    identities: &[Found<'_>],
) -> Result<Vec<Option<ArrivalId>>> {
    fn all<'a, T>(found: &[Found<'a>], of: impl Fn(&'a Registration) -> T) -> Vec<T> {
        found.iter().map(|identity| of(identity.first)).collect()
    }
    let inserting = often.query(
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
    );
    let rows = inserting
        .bind(all(identities, |r| r.pipeline.as_str()))
        .bind(all(identities, |r| r.object.location.store.as_str()))
        .bind(all(identities, |r| r.object.location.bucket.as_str()))
        .bind(all(identities, |r| r.object.location.key.as_str()))
        .bind(all(identities, |r| r.object.etag.as_str()))
        .bind(
            identities
                .iter()
                .map(|found| found.version.map(VersionId::as_str))
                .collect::<Vec<_>>(),
        )
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
    let row = query(
        "-- ledger::notify_again
        SELECT a.id, a.state, a.last_message,
          coalesce(a.finished_at <= clock_timestamp() - interval '1 minute', true) AS rested,
          EXISTS (
            SELECT FROM arrivage.arrival b
            WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
              AND b.key = a.key AND CASE b.state
                WHEN 'loaded' THEN (b.finished_at, b.id) > (a.finished_at, a.id)
                ELSE b.started_at > a.finished_at END) AS overtaken
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
    let (mut requeue, mut is_new) = (false, false);
    for found_by in &found.messages {
        let known = Known {
            state,
            last_message: last.as_deref(),
            rested: row.get("rested"),
        };
        requeue |= again(known, found_by) == Again::Requeue;
        match found_by {
            FoundBy::Message(message) => {
                is_new |= last.as_ref() != Some(message);
                last = Some(message.clone());
            }
            // Said again, it has the same time, and changes nothing.
            FoundBy::Webhook => is_new = true,
            FoundBy::Listing | FoundBy::Person => {}
        }
    }
    if let Some(version) = found.version {
        pin(tx, id, version.as_str()).await?;
    }
    if is_new {
        as_of_now(tx, id, object, requeue).await?;
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
    query(
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

/// A content that comes again is as new as what told of it.
/// `again`: it is read again, and so in the version that is told of now.
async fn as_of_now(
    tx: &mut super::PgTransaction,
    id: ArrivalId,
    now: &Object,
    again: bool,
) -> Result<()> {
    query(
        "-- ledger::as_of_now
        UPDATE arrivage.arrival SET
          version_id = CASE WHEN $5 THEN coalesce($2, version_id) ELSE version_id END, last_modified = greatest(last_modified, $4),
          sequencer = CASE WHEN $4 < last_modified THEN sequencer ELSE coalesce($3, sequencer) END
        WHERE id = $1",
    )
    .bind(id.0)
    .bind(now.version_id.as_ref().map(|version| version.as_str()))
    .bind(now.sequencer.as_deref())
    .bind(now.last_modified)
    .bind(again)
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
    query(
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

/// What stands at its key now is the newest of its contents, whatever the clocks of
/// stores and notifications say.
pub(super) async fn put_last(tx: &mut super::PgTransaction, id: ArrivalId) -> Result<()> {
    // What has no time would be compared by its id, for ever.
    query(
        "-- ledger::put_in_time
        UPDATE arrivage.arrival b SET last_modified = b.registered_at FROM arrivage.arrival a
        WHERE a.id = $1 AND b.pipeline = a.pipeline AND b.store = a.store
          AND b.bucket = a.bucket AND b.key = a.key AND b.id <> a.id AND b.last_modified IS NULL",
    )
    .bind(id.0)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    query(
        "-- ledger::put_last
        UPDATE arrivage.arrival a SET last_modified = greatest(a.last_modified, (
          SELECT max(b.last_modified) + interval '1 second' FROM arrivage.arrival b
          WHERE b.pipeline = a.pipeline AND b.store = a.store AND b.bucket = a.bucket
            AND b.key = a.key AND b.id <> a.id
            AND (b.state IN ('loading', 'loaded') OR b.records_loaded > 0)))
        WHERE a.id = $1",
    )
    .bind(id.0)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

pub(super) async fn load_anew(pool: &PgPool, id: ArrivalId, now: &Object) -> Result<()> {
    let mut tx = begin(pool).await?;
    let result = query(
        "-- ledger::load_anew
        UPDATE arrivage.arrival SET
          state = 'waiting', restart = true, fence = fence + 1, barren = 0,
          due_at = clock_timestamp(), finished_at = NULL, error_code = NULL, error = NULL
        WHERE id = $1 AND state = 'loaded'",
    )
    .bind(id.0)
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    if result.rows_affected() == 1 {
        as_of_now(&mut tx, id, now, true).await?;
        put_last(&mut tx, id).await?;
    }
    commit(tx).await
}
