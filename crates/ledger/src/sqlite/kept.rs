//! What is kept to be looked at: notifications that nobody could read, and objects
//! that no pipeline takes.

use arrivage_model::Location;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::database::Database;
use super::{classify, history};
use crate::{Ignored, Result, Unreadable, words};

/// How many of each are kept.
const KEPT_IGNORED: i64 = 1000;
const KEPT_UNREADABLE: i64 = 10_000;

pub(super) async fn keep_unreadable(
    database: &Database,
    notifications: &[Unreadable],
) -> Result<()> {
    let mut writing = database.write().await?;
    for notification in notifications {
        sqlx::query(
            "-- ledger::keep_unreadable
            INSERT INTO arrivage_unreadable_notification (source, body, reason) VALUES (?1, ?2, ?3)",
        )
        .bind(&notification.source)
        .bind(words::cut(&notification.body, Unreadable::MAX_BODY))
        .bind(&notification.reason)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
    }
    sqlx::query(
        "-- ledger::bound_unreadable
        DELETE FROM arrivage_unreadable_notification WHERE id <= (
          SELECT id FROM arrivage_unreadable_notification ORDER BY id DESC LIMIT 1 OFFSET ?1)",
    )
    .bind(KEPT_UNREADABLE)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn keep_ignored(database: &Database, objects: &[Ignored]) -> Result<()> {
    let mut writing = database.write().await?;
    for object in objects {
        sqlx::query(
            "-- ledger::seen_again
            DELETE FROM arrivage_ignored_object WHERE store = ?1 AND bucket = ?2 AND key = ?3",
        )
        .bind(object.location.store.as_str())
        .bind(&object.location.bucket)
        .bind(&object.location.key)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
        sqlx::query(
            "-- ledger::keep_ignored
            INSERT INTO arrivage_ignored_object (store, bucket, key, size, source)
            VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(object.location.store.as_str())
        .bind(&object.location.bucket)
        .bind(&object.location.key)
        .bind(object.size.and_then(|size| i64::try_from(size).ok()))
        .bind(&object.source)
        .execute(writing.connection())
        .await
        .map_err(classify::statement)?;
    }
    sqlx::query(
        "-- ledger::bound_ignored
        DELETE FROM arrivage_ignored_object WHERE id <= (
          SELECT id FROM arrivage_ignored_object ORDER BY id DESC LIMIT 1 OFFSET ?1)",
    )
    .bind(KEPT_IGNORED)
    .execute(writing.connection())
    .await
    .map_err(classify::statement)?;
    writing.commit().await
}

pub(super) async fn ignored(database: &Database, limit: usize) -> Result<Vec<Ignored>> {
    let rows = sqlx::query(
        "-- ledger::ignored
        SELECT store, bucket, key, size, source, seen_at FROM arrivage_ignored_object
        ORDER BY id DESC LIMIT ?1",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(database.reading())
    .await
    .map_err(classify::statement)?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Ignored> {
    Ok(Ignored {
        location: Location {
            store: history::store(row)?,
            bucket: row.get("bucket"),
            key: row.get("key"),
        },
        size: row
            .get::<Option<i64>, _>("size")
            .and_then(|size| u64::try_from(size).ok()),
        source: row.get("source"),
        seen_at: row.get("seen_at"),
    })
}
