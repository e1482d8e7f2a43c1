//! The rows of an atomic load: gathered chunk by chunk in a table of their own, and
//! moved into the target in the one transaction that says `loaded`.

use std::ops::RangeInclusive;

use arrivage_model::{ArrivalId, Lease, Mode, Table};
use sqlx::{Executor, Row, SqliteConnection};

use super::insert::{names, on_conflict};
use super::target::quote;
use super::{classify, signed};
use crate::{Destination, LedgerError, Result};

/// Where a gathered row stood in its file: its record, line, and byte offset.
pub(super) const RECORD: &str = "_arrivage_record";
pub(super) const PLACE: [&str; 3] = [RECORD, "_arrivage_line", "_arrivage_offset"];

/// How much of a refused row is kept, in characters.
const RAW: i32 = 4096;

pub(super) fn name(arrival: ArrivalId) -> String {
    format!("arrivage_staging_{arrival}")
}

pub(super) async fn exists(connection: &mut SqliteConnection, arrival: ArrivalId) -> Result<bool> {
    sqlx::query_scalar(
        "-- ledger::is_staged
        SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
    )
    .bind(name(arrival))
    .fetch_one(connection)
    .await
    .map_err(classify::statement)
}

/// Makes the table where the load is at its start.
pub(super) async fn prepare(
    connection: &mut SqliteConnection,
    lease: &Lease,
    destination: &Destination,
) -> Result<()> {
    let row = sqlx::query(
        "-- ledger::is_at_start
        SELECT checkpoint_records = 0 AND checkpoint_offset = 0 AS at_start
        FROM arrivage_arrival WHERE id = ?1 AND fence = ?2 AND lease_id = ?3",
    )
    .bind(lease.arrival.0)
    .bind(lease.fence.0)
    .bind(lease.id.to_string())
    .fetch_optional(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let row = row.ok_or(LedgerError::Fenced)?;
    if !row.get::<bool, _>("at_start") {
        return Ok(());
    }
    discard(&mut *connection, lease.arrival).await?;
    let table = &destination.table.name;
    // Every column: JSON's join when a record first names them.
    let places = PLACE.map(|place| format!("CAST(0 AS INTEGER) AS {place}"));
    let sql = format!(
        "-- ledger::stage\nCREATE TABLE {} AS SELECT *, {} FROM {} WHERE 0",
        name(lease.arrival),
        places.join(", "),
        quote(&table.name)
    );
    connection
        .execute(&*sql)
        .await
        .map_err(|error| classify::drifted(error, table))?;
    Ok(())
}

/// Before the first row is shown: later moves find their records quickly, and in
/// `replace` the rows and rejects of the key's other contents go.
pub(super) async fn make_way(
    connection: &mut SqliteConnection,
    lease: &Lease,
    destination: &Destination,
) -> Result<()> {
    let staging = name(lease.arrival);
    let index =
        format!("-- ledger::make_way\nCREATE INDEX {staging}_record ON {staging} ({RECORD})");
    connection
        .execute(&*index)
        .await
        .map_err(classify::statement)?;
    if destination.mode == Mode::Replace {
        replace(connection, lease, &destination.table).await?;
    }
    Ok(())
}

/// The arrivals of the same key that rest.
const OTHERS: &str = "
    SELECT b.id FROM arrivage_arrival a
    JOIN arrivage_arrival b USING (pipeline, store, bucket, key)
    WHERE a.id = ?1 AND b.id <> a.id AND (b.restart OR b.state NOT IN ('waiting', 'loading'))";

async fn replace(connection: &mut SqliteConnection, lease: &Lease, table: &Table) -> Result<()> {
    let statements = [
        format!(
            "-- ledger::replaced
            UPDATE arrivage_arrival SET
              error_code = 'replaced',
              error = 'its ' || records_loaded || ' rows were replaced by those of arrival ' || ?1,
              records_loaded = 0, records_rejected = 0
            WHERE id IN ({OTHERS}) AND state = 'loaded' AND records_loaded + records_rejected > 0"
        ),
        format!(
            "-- ledger::remove_rejects
            DELETE FROM arrivage_reject WHERE arrival_id IN ({OTHERS} AND b.state = 'loaded')"
        ),
        format!(
            "-- ledger::remove_rows\nDELETE FROM {} WHERE _arrival_id IN ({OTHERS})",
            quote(&table.name.name)
        ),
    ];
    for sql in statements {
        sqlx::query(&sql)
            .bind(lease.arrival.0)
            .persistent(false)
            .execute(&mut *connection)
            .await
            .map_err(|error| classify::drifted(error, &table.name))?;
    }
    Ok(())
}

/// Moves the gathered rows of these records into the table, in their order.
pub(super) async fn publish(
    connection: &mut SqliteConnection,
    arrival: ArrivalId,
    destination: &Destination,
    records: &RangeInclusive<u64>,
) -> Result<(), sqlx::Error> {
    let names = names(destination);
    if names.is_empty() {
        return Ok(());
    }
    // OR ABORT: a constraint that says IGNORE or REPLACE would make records vanish.
    let sql = format!(
        "-- ledger::publish
        INSERT OR ABORT INTO {} ({names}) SELECT {names} FROM {}
        WHERE {RECORD} BETWEEN ?1 AND ?2 ORDER BY {RECORD}{}",
        quote(&destination.table.name.name),
        name(arrival),
        on_conflict(destination),
    );
    sqlx::query(&sql)
        .bind(signed(*records.start()))
        .bind(signed(*records.end()))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps one gathered row as a reject; its text is made of its values again.
pub(super) async fn reject(
    connection: &mut SqliteConnection,
    arrival: ArrivalId,
    destination: &Destination,
    record: u64,
    reason: &str,
) -> Result<()> {
    let [number, line, offset] = PLACE;
    let fields = destination.columns.iter().map(|column| {
        let name = quote(&column.name);
        format!(r#"coalesce('"' || replace({name}, '"', '""') || '"', '')"#)
    });
    let sql = format!(
        "-- ledger::reject_staged
        INSERT INTO arrivage_reject
          (arrival_id, record, line, byte_offset, reason_code, reason, raw)
        SELECT ?1, {number}, {line}, {offset}, 'constraint', ?3, substr({}, 1, {RAW})
        FROM {} WHERE {number} = ?2",
        fields.collect::<Vec<_>>().join(" || ',' || "),
        name(arrival)
    );
    sqlx::query(&sql)
        .bind(arrival.0)
        .bind(signed(record))
        .bind(reason)
        .persistent(false)
        .execute(connection)
        .await
        .map_err(classify::statement)?;
    Ok(())
}

/// Drops what was gathered; says whether anything was.
pub(super) async fn discard(connection: &mut SqliteConnection, arrival: ArrivalId) -> Result<bool> {
    let exists = exists(&mut *connection, arrival).await?;
    if exists {
        let sql = format!("-- ledger::discard\nDROP TABLE {}", name(arrival));
        connection
            .execute(&*sql)
            .await
            .map_err(classify::statement)?;
    }
    Ok(exists)
}

/// The same for an arrival that comes to rest: none of its rows is there, so its next
/// claim begins with its first record, and takes the rejects out before.
pub(super) async fn forget(connection: &mut SqliteConnection, arrival: ArrivalId) -> Result<()> {
    if discard(&mut *connection, arrival).await? {
        sqlx::query(
            "-- ledger::start_over
            UPDATE arrivage_arrival SET restart = 1, records_loaded = 0 WHERE id = ?1",
        )
        .bind(arrival.0)
        .execute(connection)
        .await
        .map_err(classify::statement)?;
    }
    Ok(())
}
