//! What loads of a pipeline need beside its table's columns: rights, and for an
//! upsert the unique index of its key.

use arrivage_model::{Mode, Pipeline, Table};
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgPool, Row};

use super::target::{drifted, quote, quoted};
use super::{PgTransaction, begin, classify, commit, query};
use crate::{LedgerError, Result, TargetRefusal};

pub(super) async fn admits(pool: &PgPool, pipeline: &Pipeline, table: &Table) -> Result<()> {
    if pipeline.mode == Mode::Append && !pipeline.atomic {
        return Ok(());
    }
    let mut tx = begin(pool).await?;
    rights(&mut tx, pipeline, table).await?;
    if let Mode::Upsert { key } = &pipeline.mode {
        unique_key(&mut tx, table, key).await?;
    }
    commit(tx).await
}

async fn rights(tx: &mut PgTransaction, pipeline: &Pipeline, table: &Table) -> Result<()> {
    // Before the first migration there is no schema, and it will be the role's own.
    let row = query(
        "-- ledger::rights
        SELECT coalesce(has_schema_privilege(to_regnamespace('arrivage'), 'CREATE'), true) AS may_stage,
          has_database_privilege(current_database(), 'TEMPORARY') AS may_make_temporary,
          NOT EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = t AND attnum > 0 AND NOT attisdropped
              AND NOT has_column_privilege(t, attnum, 'SELECT')) AS may_select_all,
          has_any_column_privilege(t, 'SELECT') AS may_select,
          has_any_column_privilege(t, 'UPDATE') AS may_update,
          has_table_privilege(t, 'DELETE') AS may_delete,
          current_user::text AS role, current_database()::text AS database
        FROM to_regclass($1) AS t WHERE t IS NOT NULL",
    )
    .bind(quoted(&table.name))
    .fetch_optional(&mut **tx)
    .await
    .map_err(classify::statement)?;
    let row = row.ok_or_else(|| TargetRefusal::Missing(table.name.clone()))?;
    Ok(judge(&row, pipeline, table)?)
}

fn judge(row: &PgRow, pipeline: &Pipeline, table: &Table) -> Result<(), TargetRefusal> {
    let may = |right: &str| row.get::<bool, _>(right);
    let role: String = row.get("role");
    let upserts = matches!(pipeline.mode, Mode::Upsert { .. });
    if pipeline.atomic && !may("may_stage") {
        return Err(TargetRefusal::NoStaging(role));
    }
    if upserts && !pipeline.atomic && !may("may_make_temporary") {
        let database = row.get("database");
        return Err(TargetRefusal::NoTemporary { database, role });
    }
    let needed = [
        ("SELECT", pipeline.atomic, "may_select_all"),
        ("SELECT", upserts, "may_select"),
        ("UPDATE", upserts, "may_update"),
        ("DELETE", pipeline.mode == Mode::Replace, "may_delete"),
    ];
    let lacking = needed
        .into_iter()
        .find(|&(_, needed, right)| needed && !may(right));
    let Some((right, ..)) = lacking else {
        return Ok(());
    };
    let table = table.name.clone();
    Err(TargetRefusal::Right { table, right, role })
}

/// Asks the planner, which alone knows what serves ON CONFLICT; nothing is inserted.
async fn unique_key(tx: &mut PgTransaction, table: &Table, key: &[String]) -> Result<()> {
    let name = quoted(&table.name);
    let columns: Vec<String> = key.iter().map(|column| quote(column)).collect();
    let columns = columns.join(", ");
    let sql = format!(
        "-- ledger::unique_key
        EXPLAIN INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}
        ON CONFLICT ({columns}) DO NOTHING"
    );
    tx.execute(&*sql).await.map_err(|error| {
        let answer = error.as_database_error().and_then(|answer| answer.code());
        if answer.as_deref() != Some("42P10") {
            return drifted(&table.name, error);
        }
        let (table, key) = (table.name.clone(), key.join(", "));
        LedgerError::from(TargetRefusal::NoUniqueKey { table, key })
    })?;
    Ok(())
}
