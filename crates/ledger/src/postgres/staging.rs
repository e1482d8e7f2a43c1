//! The rows of an atomic load: gathered chunk by chunk in a logged table of their
//! own, and moved into the target in the one transaction that says `loaded`.

use std::ops::RangeInclusive;

use arrivage_model::{ArrivalId, Lease, Mode, Table};
use sqlx::{Executor, Row};

use super::target::{drifted, quote, quoted};
use super::{PgTransaction, classify, query, query_scalar};
use crate::{Destination, LedgerError, Result, TargetRefusal};

/// Where a gathered row stood in its file: its record, line, and byte offset.
pub(super) const RECORD: &str = "_arrivage_record";
pub(super) const PLACE: [&str; 3] = [RECORD, "_arrivage_line", "_arrivage_offset"];

/// How much of a refused row is kept, in characters.
const RAW: i32 = 4096;

pub(super) fn name(arrival: ArrivalId) -> String {
    format!("arrivage.staging_{arrival}")
}

pub(super) async fn exists(tx: &mut PgTransaction, arrival: ArrivalId) -> Result<bool> {
    query_scalar("-- ledger::is_staged\nSELECT to_regclass($1) IS NOT NULL")
        .bind(name(arrival))
        .fetch_one(&mut **tx)
        .await
        .map_err(classify::statement)
}

/// Makes the table where the load is at its start.
pub(super) async fn prepare(tx: &mut PgTransaction, lease: &Lease, table: &Table) -> Result<()> {
    let row = query(
        "-- ledger::is_at_start
        SELECT checkpoint_records = 0 AND checkpoint_offset = 0 AS at_start,
          has_schema_privilege('arrivage', 'CREATE') AS may_create, current_user::text AS role
        FROM arrivage.arrival WHERE id = $1 AND fence = $2 AND lease_id = $3",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.0)
    .fetch_optional(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let row = row.ok_or(LedgerError::Fenced)?;
    if !row.get::<bool, _>("at_start") {
        return Ok(());
    }
    if !row.get::<bool, _>("may_create") {
        return Err(TargetRefusal::NoStaging(row.get("role")).into());
    }
    // Every column: JSON's join when a record first names them.
    let staging = name(lease.arrival);
    let places = PLACE
        .map(|place| format!("0::bigint AS {place}"))
        .join(", ");
    let sql = format!(
        "-- ledger::stage
        DROP TABLE IF EXISTS {staging};
        CREATE TABLE {staging} AS SELECT *, {places} FROM {} WITH NO DATA",
        quoted(&table.name)
    );
    tx.execute(&*sql)
        .await
        .map_err(|error| drifted(&table.name, error))?;
    Ok(())
}

/// Before the first row is shown: later moves find their records quickly, and in
/// `replace` the rows and rejects of the key's other contents go.
pub(super) async fn make_way(
    tx: &mut PgTransaction,
    lease: &Lease,
    destination: &Destination,
) -> Result<()> {
    let index = format!(
        "-- ledger::make_way\nCREATE INDEX ON {} USING brin ({RECORD})",
        name(lease.arrival)
    );
    tx.execute(&*index).await.map_err(classify::statement)?;
    if destination.mode == Mode::Replace {
        replace(tx, lease, &destination.table).await?;
    }
    Ok(())
}

/// Two contents of one key take turns: the later one sees what the earlier one
/// committed.
async fn replace(tx: &mut PgTransaction, lease: &Lease, table: &Table) -> Result<()> {
    query(
        "-- ledger::take_turns
        SELECT pg_advisory_xact_lock(hashtextextended(
          concat_ws(' ', 'arrivage', pipeline, store, bucket, key), 0))
        FROM arrivage.arrival WHERE id = $1",
    )
    .bind(lease.arrival.0)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let others: Vec<i64> = query_scalar(
        "-- ledger::others
        SELECT b.id FROM arrivage.arrival a
        JOIN arrivage.arrival b USING (pipeline, store, bucket, key)
        WHERE a.id = $1 AND b.id <> a.id
          AND (b.restart OR b.state NOT IN ('waiting', 'loading'))
        ORDER BY b.id FOR NO KEY UPDATE OF b",
    )
    .bind(lease.arrival.0)
    .fetch_all(&mut **tx)
    .await
    .map_err(classify::statement)?;
    query(
        "-- ledger::replaced
        UPDATE arrivage.arrival SET
          error_code = 'replaced',
          error = 'its ' || records_loaded || ' rows were replaced by those of arrival ' || $2,
          records_loaded = 0, records_rejected = 0
        WHERE id = ANY ($1) AND state = 'loaded' AND records_loaded + records_rejected > 0",
    )
    .bind(&others)
    .bind(lease.arrival.0)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    // Of what failed, the rejects say why.
    query(
        "-- ledger::remove_rejects
        DELETE FROM arrivage.reject r USING arrivage.arrival a
        WHERE r.arrival_id = a.id AND a.id = ANY ($1) AND a.state = 'loaded'",
    )
    .bind(&others)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let rows = format!(
        "-- ledger::remove_rows\nDELETE FROM {} WHERE _arrival_id = ANY ($1)",
        quoted(&table.name)
    );
    query(&rows)
        .bind(&others)
        .execute(&mut **tx)
        .await
        .map_err(|error| drifted(&table.name, error))?;
    Ok(())
}

/// Moves the gathered rows of these records into the table.
pub(super) fn publishing(
    arrival: ArrivalId,
    mode: &Mode,
    table: &Table,
    columns: &[String],
    records: &RangeInclusive<u64>,
) -> String {
    let from = format!(
        "{} WHERE {RECORD} BETWEEN {} AND {}",
        name(arrival),
        records.start(),
        records.end()
    );
    match mode {
        Mode::Upsert { key } => merging(table, columns, key, &from, RECORD),
        Mode::Append | Mode::Replace => format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM {from} ORDER BY {RECORD}",
            quoted(&table.name),
            columns = columns.join(", ")
        ),
    }
}

/// Brings rows in by their key: of several with one key the last by `order` wins.
pub(super) fn merging(
    table: &Table,
    columns: &[String],
    key: &[String],
    from: &str,
    order: &str,
) -> String {
    let key: Vec<String> = key.iter().map(|name| quote(name)).collect();
    let updates: Vec<String> = columns
        .iter()
        .filter(|column| !key.contains(column))
        .map(|column| format!("{column} = EXCLUDED.{column}"))
        .collect();
    let action = if updates.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", updates.join(", "))
    };
    format!(
        "INSERT INTO {table} ({columns}) \
         SELECT DISTINCT ON ({key}) {columns} FROM {from} \
         ORDER BY {key}, {order} DESC \
         ON CONFLICT ({key}) DO {action}",
        table = quoted(&table.name),
        columns = columns.join(", "),
        key = key.join(", ")
    )
}

/// Keeps one gathered row as a reject; its text is made of its values again.
pub(super) async fn reject(
    tx: &mut PgTransaction,
    arrival: ArrivalId,
    columns: &[String],
    record: u64,
    reason: &str,
) -> Result<()> {
    let [number, line, offset] = PLACE;
    let sql = format!(
        "-- ledger::reject_staged
        INSERT INTO arrivage.reject
          (arrival_id, record, line, byte_offset, reason_code, reason, raw)
        SELECT $1, {number}, {line}, {offset}, 'constraint', $3,
          left(trim(LEADING '(' FROM rtrim(ROW({})::text, ')')), {RAW})
        FROM {} WHERE {number} = $2",
        columns.join(", "),
        name(arrival)
    );
    let kept = query(&sql)
        .bind(arrival.0)
        .bind(i64::try_from(record).unwrap_or(i64::MAX))
        .bind(reason)
        .execute(&mut **tx)
        .await
        .map_err(classify::statement)?;
    if kept.rows_affected() == 1 {
        return Ok(());
    }
    // Not a row of it is refused, but what is done at the same time.
    Err(LedgerError::Unexpected(sqlx::Error::Protocol(
        reason.to_owned(),
    )))
}

/// Drops what was gathered; says whether anything was.
pub(super) async fn discard(tx: &mut PgTransaction, arrival: ArrivalId) -> Result<bool> {
    let exists = exists(tx, arrival).await?;
    if exists {
        let sql = format!("-- ledger::discard\nDROP TABLE {}", name(arrival));
        tx.execute(&*sql).await.map_err(classify::statement)?;
    }
    Ok(exists)
}

/// The same for an arrival that comes to rest: none of its rows is there, so its next
/// claim begins with its first record, and takes the rejects out before.
pub(super) async fn forget(tx: &mut PgTransaction, arrival: ArrivalId) -> Result<()> {
    if discard(tx, arrival).await? {
        query(
            "-- ledger::start_over
            UPDATE arrivage.arrival SET restart = true, records_loaded = 0 WHERE id = $1",
        )
        .bind(arrival.0)
        .execute(&mut **tx)
        .await
        .map_err(classify::statement)?;
    }
    Ok(())
}
