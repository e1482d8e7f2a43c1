//! The destination table: what the catalogue says of it, and how it is made.

use arrivage_model::{ColumnType, Mode, Pipeline, Table, TableColumn, TableName};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::classify;
use super::database::Database;
use crate::{LedgerError, Result, TargetRefusal, declaration};

/// An identifier as SQL takes it.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

pub(super) async fn table(database: &Database, name: &TableName) -> Result<Table> {
    let mut connection = database
        .reading()
        .acquire()
        .await
        .map_err(classify::statement)?;
    let found = find(&mut connection, name).await?;
    let found = found.ok_or_else(|| TargetRefusal::Missing(name.clone()))?;
    // Hidden: 1 in virtual tables, 2 and 3 generated.
    let rows = sqlx::query(
        r#"-- ledger::columns
        SELECT name, type, "notnull" AND dflt_value IS NULL AS required
        FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid"#,
    )
    .bind(&found.name)
    .fetch_all(&mut *connection)
    .await
    .map_err(classify::statement)?;
    let is = |row: &SqliteRow, name: &str| row.get::<&str, _>("name").eq_ignore_ascii_case(name);
    let has = |lineage: &str| rows.iter().any(|row| is(row, lineage));
    Ok(Table {
        has_arrival_id: has("_arrival_id"),
        has_record: has("_record"),
        lineage_is_bigint: true,
        // One writer at a time, whatever the table.
        parallel: false,
        columns: rows
            .iter()
            .filter(|row| !is(row, "_arrival_id") && !is(row, "_record"))
            .map(|row| TableColumn {
                name: row.get("name"),
                kind: column_type(row.get("type")),
                required: row.get("required"),
            })
            .collect(),
        name: found,
    })
}

/// Asks SQLite itself whether an index serves an upsert's key; nothing is inserted.
pub(super) async fn admits(database: &Database, pipeline: &Pipeline, table: &Table) -> Result<()> {
    let Mode::Upsert { key } = &pipeline.mode else {
        return Ok(());
    };
    let mut connection = database
        .reading()
        .acquire()
        .await
        .map_err(classify::statement)?;
    // A statement that runs finds out that the schema has changed; one that is only
    // prepared, and refused, does not.
    sqlx::query("-- ledger::schema\nSELECT count(*) FROM sqlite_schema")
        .execute(&mut *connection)
        .await
        .map_err(classify::statement)?;
    let name = quote(&table.name.name);
    let columns: Vec<String> = key.iter().map(|column| quote(column)).collect();
    let columns = columns.join(", ");
    let sql = format!(
        "-- ledger::unique_key
        EXPLAIN INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} WHERE true
        ON CONFLICT ({columns}) DO NOTHING"
    );
    sqlx::query(&sql)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| classify::upserting(error, &table.name, key))?;
    Ok(())
}

/// The table by its exact name; nothing where there is none.
async fn find(connection: &mut SqliteConnection, name: &TableName) -> Result<Option<TableName>> {
    if name.schema.is_some() {
        let message = format!("{name}: SQLite has no schemas; write the table's name alone");
        return Err(TargetRefusal::Declaration(message).into());
    }
    let row = sqlx::query(
        "-- ledger::table
        SELECT name, type FROM pragma_table_list
        WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
    )
    .bind(&name.name)
    .fetch_optional(connection)
    .await
    .map_err(classify::statement)?;
    let Some(row) = row else {
        return Ok(None);
    };
    let found = TableName {
        schema: None,
        name: row.get("name"),
    };
    match row.get::<&str, _>("type") {
        "table" => Ok(Some(found)),
        "view" => Err(TargetRefusal::NotATable(found, "view").into()),
        "virtual" => Err(TargetRefusal::NotATable(found, "virtual table").into()),
        _ => Err(TargetRefusal::NotATable(found, "part of a virtual table").into()),
    }
}

/// What a declared type means. SQLite's INTEGER and REAL are wider than
/// PostgreSQL's; beyond the names that both know, SQLite's rules of affinity say
/// what a column keeps as it is.
fn column_type(declared: &str) -> Result<ColumnType, String> {
    let upper = declared.to_ascii_uppercase();
    match declared.parse() {
        Ok(ColumnType::Integer) if !upper.contains('4') => return Ok(ColumnType::BigInt),
        Ok(ColumnType::Real) => return Ok(ColumnType::DoublePrecision),
        Ok(kind) => return Ok(kind),
        Err(_) => {}
    }
    let has = |part: &str| upper.contains(part);
    match upper.as_str() {
        "" => Ok(ColumnType::Text),
        "DATETIME" => Ok(ColumnType::Timestamp),
        _ if has("INT") => Ok(ColumnType::BigInt),
        _ if has("CHAR") || has("CLOB") || has("TEXT") => Ok(ColumnType::Text),
        _ if has("BLOB") => Ok(ColumnType::Bytea),
        _ if has("REAL") || has("FLOA") || has("DOUB") => Ok(ColumnType::DoublePrecision),
        _ => Err(declared.to_owned()),
    }
}

pub(super) async fn create(database: &Database, pipeline: &Pipeline) -> Result<()> {
    let mut writing = database.write().await?;
    if find(writing.connection(), &pipeline.table).await?.is_none() {
        let statement = format!("-- ledger::create_table\n{}", definition(pipeline)?);
        sqlx::query(&statement)
            .persistent(false)
            .execute(writing.connection())
            .await
            .map_err(|error| classify::drifted(error, &pipeline.table))?;
    }
    writing.commit().await
}

/// The statement that makes the pipeline's table.
pub(crate) fn definition(pipeline: &Pipeline) -> Result<String> {
    let mut parts = Vec::new();
    for column in declaration::columns(pipeline)? {
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        let kind = stored_as(column.kind);
        parts.push(format!("{} {kind}{not_null}", quote(column.name)));
    }
    parts.push("_arrival_id INTEGER".to_owned());
    parts.push("_record INTEGER".to_owned());
    if let Mode::Upsert { key } = &pipeline.mode {
        let key: Vec<String> = key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let table = quote(&pipeline.table.name);
    Ok(format!(
        "CREATE TABLE {table} (\n  {}\n)",
        parts.join(",\n  ")
    ))
}

/// The type that keeps such values exactly.
fn stored_as(kind: ColumnType) -> &'static str {
    match kind {
        // Not INTEGER: as a primary key that means the row's own number, which SQLite
        // draws by itself where the value is NULL.
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => "BIGINT",
        ColumnType::Real | ColumnType::DoublePrecision => "REAL",
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Bytea => "BLOB",
        _ => "TEXT",
    }
}

/// Whether a reference of the table may be checked as late as at COMMIT. The
/// catalogue does not say it, but the table's own words do.
pub(super) async fn checks_references_late(
    connection: &mut SqliteConnection,
    table: &TableName,
) -> Result<bool> {
    sqlx::query_scalar(
        "-- ledger::checks_references_late
        SELECT EXISTS (
          SELECT 1 FROM sqlite_schema
          WHERE type = 'table' AND name = ?1 AND sql LIKE '%DEFERR%')",
    )
    .bind(&table.name)
    .fetch_one(connection)
    .await
    .map_err(classify::statement)
}

/// Rows of the table that refer to nothing. Reads all of it.
pub(super) async fn broken_references(
    connection: &mut SqliteConnection,
    table: &TableName,
) -> Result<i64> {
    sqlx::query_scalar(
        "-- ledger::broken_references\nSELECT count(*) FROM pragma_foreign_key_check(?1)",
    )
    .bind(&table.name)
    .fetch_one(connection)
    .await
    .map_err(|error| classify::drifted(error, table))
}

/// What a row is refused with that refers to nothing.
pub(super) fn broken_reference() -> LedgerError {
    LedgerError::Row {
        sqlstate: "23503".to_owned(),
        message: "FOREIGN KEY constraint failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_means_what_sqlite_keeps() {
        let check = |declared: &str, expect: ColumnType| {
            assert_eq!(column_type(declared), Ok(expect), "{declared}");
        };
        check("INTEGER", ColumnType::BigInt);
        check("int", ColumnType::BigInt);
        check("INT4", ColumnType::Integer);
        check("SMALLINT", ColumnType::SmallInt);
        check("UNSIGNED BIG INT", ColumnType::BigInt);
        check("REAL", ColumnType::DoublePrecision);
        check("NVARCHAR(100)", ColumnType::Text);
        check("VARCHAR(100)", ColumnType::Varchar(Some(100)));
        check("DECIMAL(10,5)", ColumnType::Numeric(Some((10, 5))));
        check("DATETIME", ColumnType::Timestamp);
        check("BLOB", ColumnType::Bytea);
        check("BOOLEAN", ColumnType::Boolean);
        check("", ColumnType::Text);
        for unknown in ["STRING", "MONEY"] {
            // SQLite keeps '007' as 7 there: a person must say what it is.
            assert_eq!(column_type(unknown), Err(unknown.to_owned()));
        }
    }
}
