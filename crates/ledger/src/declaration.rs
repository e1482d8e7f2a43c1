use arrivage_model::{ColumnType, Mode, Pipeline};

use crate::{LedgerError, Result, TargetRefusal};

/// A column of a table that is to be made.
pub(crate) struct NewColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ColumnType,
    pub(crate) not_null: bool,
}

/// The columns that a pipeline declares for its table, if a table can be made of
/// them.
pub(crate) fn columns(pipeline: &Pipeline) -> Result<Vec<NewColumn<'_>>> {
    let refuse = |what: String| {
        let message = format!("create_table: pipeline.{}: {what}", pipeline.name);
        LedgerError::Target(TargetRefusal::Declaration(message))
    };
    if pipeline.columns.is_empty() {
        return Err(refuse("no column is declared".to_owned()));
    }
    let key: &[String] = match &pipeline.mode {
        Mode::Append | Mode::Replace => &[],
        Mode::Upsert { key } => key,
    };
    let declared = |name: &&String| pipeline.columns.iter().any(|column| column.name == **name);
    if let Some(missing) = key.iter().find(|name| !declared(name)) {
        return Err(refuse(format!("key column {missing} is not declared")));
    }
    pipeline
        .columns
        .iter()
        .map(|column| {
            let kind = column
                .kind
                .ok_or_else(|| refuse(format!("column {} needs a type", column.name)))?;
            let not_null = column.required || key.contains(&column.name);
            Ok(NewColumn {
                name: &column.name,
                kind,
                not_null,
            })
        })
        .collect()
}
