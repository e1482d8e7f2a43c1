//! The destination table: what the catalogue says of it, and how it is made.

use arrivage_model::{
    ColumnType, Element, Enumeration, Mode, Pipeline, Table, TableColumn, TableName,
};
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgPool, Row};

use super::statements::Often;
use super::{PgTransaction, begin, classify, commit, query, query_scalar};
use crate::{LedgerError, Result, TargetRefusal, declaration};

/// The name as SQL takes it.
pub(super) fn quoted(table: &TableName) -> String {
    let name = quote(&table.name);
    match &table.schema {
        Some(schema) => format!("{}.{name}", quote(schema)),
        None => name,
    }
}

/// An identifier as SQL takes it.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// An error of a statement on the table: it may have changed since it was
/// looked at.
pub(super) fn drifted(table: &TableName, error: sqlx::Error) -> LedgerError {
    let answer = error.as_database_error();
    let sqlstate = answer
        .and_then(|answer| answer.code())
        .unwrap_or_default()
        .into_owned();
    let message = answer
        .map(|answer| answer.message().to_owned())
        .unwrap_or_default();
    let table = table.clone();
    match sqlstate.as_str() {
        "42P01" => TargetRefusal::Missing(table).into(),
        // A right that was taken away; what is missing is said better by its own words.
        "42501" => classify::statement(error),
        _ if sqlstate.starts_with("42") || sqlstate.starts_with("0A") => {
            TargetRefusal::Columns { table, message }.into()
        }
        _ => classify::statement(error),
    }
}

pub(super) async fn table(pool: &PgPool, often: Often, name: &TableName) -> Result<Table> {
    let mut tx = begin(pool).await?;
    let table = inspect(&mut tx, often, name).await?;
    commit(tx).await?;
    Ok(table)
}

async fn inspect(tx: &mut PgTransaction, often: Often, name: &TableName) -> Result<Table> {
    let finding = often.query(
        "-- ledger::table
        SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
          c.relkind::text AS kind, c.relpersistence::text AS persistence,
          row_security_active(c.oid) AS row_security, current_user::text AS role,
          has_table_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'INSERT') AS may_insert,
          EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
            WHERE l.relkind = 'f') AS foreign_part,
          EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
            WHERE l.relpersistence <> 'p') AS unlogged_part,
          NOT EXISTS (SELECT FROM pg_index i
            WHERE (i.indrelid = c.oid OR i.indrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
              AND (i.indisunique OR i.indisexclusion))
          AND NOT EXISTS (SELECT FROM pg_trigger g
            WHERE (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
              AND NOT g.tgisinternal) AS parallel
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass($1)",
    );
    let row = finding
        .bind(quoted(name))
        .fetch_optional(&mut **tx)
        .await
        .map_err(classify::statement)?;
    let row = row.ok_or_else(|| TargetRefusal::Missing(name.clone()))?;
    let found = TableName {
        schema: Some(row.get("schema")),
        name: row.get("name"),
    };
    refuse(&row, &found)?;
    let listing = often.query(
        "-- ledger::columns
        SELECT attname AS name, format_type(atttypid, atttypmod) AS kind,
          attnotnull AND NOT atthasdef AND attidentity = '' AS required,
          attgenerated <> '' OR attidentity = 'a' AS generated,
          (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
            FROM pg_type t JOIN pg_enum e ON e.enumtypid IN (t.oid, t.typelem)
            WHERE t.oid = atttypid) AS labels
        FROM pg_attribute
        WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum",
    );
    let rows = listing
        .bind(row.get::<i64, _>("oid"))
        .fetch_all(&mut **tx)
        .await
        .map_err(classify::statement)?;
    let lineage = |name: &str| {
        let mut rows = rows.iter();
        let row = rows.find(|row| row.get::<&str, _>("name") == name);
        row.map(|row| row.get::<&str, _>("kind"))
    };
    let (arrival_id, record) = (lineage("_arrival_id"), lineage("_record"));
    Ok(Table {
        has_arrival_id: arrival_id.is_some(),
        has_record: record.is_some(),
        lineage_is_bigint: [arrival_id, record]
            .iter()
            .flatten()
            .all(|kind| *kind == "bigint"),
        parallel: row.get("parallel"),
        name: found,
        columns: rows.iter().filter_map(column).collect(),
    })
}

fn refuse(row: &PgRow, table: &TableName) -> Result<(), TargetRefusal> {
    let table = table.clone();
    match (
        row.get::<&str, _>("kind"),
        row.get::<&str, _>("persistence"),
    ) {
        ("f", _) => return Err(TargetRefusal::Foreign(table)),
        ("v", _) => return Err(TargetRefusal::NotATable(table, "view")),
        ("m", _) => return Err(TargetRefusal::NotATable(table, "materialized view")),
        ("r" | "p", "p") => {}
        ("r" | "p", "u") => return Err(TargetRefusal::Unlogged(table)),
        ("r" | "p", _) => return Err(TargetRefusal::Temporary(table)),
        _ => return Err(TargetRefusal::NotATable(table, "relation of another kind")),
    }
    if row.get::<bool, _>("foreign_part") {
        return Err(TargetRefusal::Foreign(table));
    }
    if row.get::<bool, _>("unlogged_part") {
        return Err(TargetRefusal::Unlogged(table));
    }
    if row.get::<bool, _>("row_security") {
        return Err(TargetRefusal::RowSecurity(table));
    }
    if !row.get::<bool, _>("may_insert") {
        return Err(TargetRefusal::Right {
            table,
            right: "INSERT",
            role: row.get("role"),
        });
    }
    Ok(())
}

/// A column that can be written and is not lineage.
fn column(row: &PgRow) -> Option<TableColumn> {
    let name: String = row.get("name");
    if row.get("generated") || name == "_arrival_id" || name == "_record" {
        return None;
    }
    let kind: String = row.get("kind");
    let kind = match row.get::<Option<Vec<String>>, _>("labels") {
        Some(labels) => enumeration(&kind, labels).ok_or(kind),
        None => kind.parse::<ColumnType>().map_err(|_| kind),
    };
    Some(TableColumn {
        name,
        kind,
        required: row.get("required"),
    })
}

/// An enum, or an array of them.
fn enumeration(kind: &str, labels: Vec<String>) -> Option<ColumnType> {
    let of = |name: &str| ColumnType::Enum(Enumeration::new(name.to_owned(), labels));
    match kind.strip_suffix("[]") {
        Some(name) => Element::new(of(name)).map(ColumnType::Array),
        None => Some(of(kind)),
    }
}

/// Two processes may make the same table at once: `IF NOT EXISTS` alone may fail
/// then, so they take turns.
pub(super) async fn create(pool: &PgPool, pipeline: &Pipeline) -> Result<()> {
    let mut tx = begin(pool).await?;
    let table = quoted(&pipeline.table);
    query("-- ledger::create_table\nSELECT pg_advisory_xact_lock(hashtext('arrivage ' || $1))")
        .bind(&table)
        .execute(&mut *tx)
        .await
        .map_err(classify::statement)?;
    let exists: bool = query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(&table)
        .fetch_one(&mut *tx)
        .await
        .map_err(classify::statement)?;
    if !exists {
        for statement in definition(pipeline)? {
            let statement = format!("-- ledger::create_table\n{statement}");
            match tx.execute(&*statement).await {
                // to_regclass may say what the session has seen before it was its turn.
                Err(error) if is_made_already(&error) => return Ok(()),
                made => made.map_err(classify::statement)?,
            };
        }
    }
    commit(tx).await
}

fn is_made_already(error: &sqlx::Error) -> bool {
    let answer = error.as_database_error().and_then(|answer| answer.code());
    answer.as_deref() == Some("42P07")
}

/// The statements that make the pipeline's table.
pub(crate) fn definition(pipeline: &Pipeline) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for column in declaration::columns(pipeline)? {
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        parts.push(format!("{} {}{not_null}", quote(column.name), column.kind));
    }
    parts.push("_arrival_id bigint".to_owned());
    parts.push("_record bigint".to_owned());
    if let Mode::Upsert { key } = &pipeline.mode {
        let key: Vec<String> = key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let table = quoted(&pipeline.table);
    Ok(vec![
        format!("CREATE TABLE {table} (\n  {}\n)", parts.join(",\n  ")),
        format!("CREATE INDEX ON {table} USING brin (_arrival_id)"),
    ])
}
