use sqlx::PgPool;

use super::{begin, classify, commit, query};
use crate::{Ignored, Result, Unreadable};

/// How many objects without a pipeline, and how many unreadable notifications,
/// are kept.
const KEPT_IGNORED: i64 = 1000;
const KEPT_UNREADABLE: i64 = 10_000;

pub(super) async fn keep_unreadable(pool: &PgPool, notifications: &[Unreadable]) -> Result<()> {
    fn all<'a>(n: &'a [Unreadable], of: impl Fn(&'a Unreadable) -> &'a str) -> Vec<String> {
        n.iter().map(|n| of(n).replace('\0', "\u{FFFD}")).collect()
    }
    let mut tx = begin(pool).await?;
    query(
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
    query(
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
    query(
        "-- ledger::keep_ignored
        WITH seen_again AS (
          DELETE FROM arrivage.ignored_object o
          USING unnest($1::text[], $2::text[], $3::text[]) AS f (store, bucket, key)
          WHERE o.store = f.store AND o.bucket = f.bucket AND o.key = f.key
        )
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
    query(
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
