mod declared;
mod trailer;

use std::collections::HashMap;

use arrivage_model::{
    Column, ColumnType, Csv, Encoding, ExtraColumns, Format, InvalidBytes, Mode, Pipeline, Range,
    Table, TableColumn, TrailerPattern,
};

use super::header::loosely;
use super::totals::{self, Wanted};
use super::value::Writer;
use declared::Declared;

/// How the records of a pipeline become rows of its table, as far as that can
/// be said before a file is seen. It serves every arrival of the pipeline.
#[derive(Debug)]
pub struct Plan {
    pub(super) table: String,
    pub(super) format: Format,
    pub(super) encoding: Encoding,
    pub(super) invalid_bytes: InvalidBytes,
    /// The longest record, in bytes.
    pub(super) max_record: usize,
    /// In the table's order.
    pub(super) columns: Vec<PlannedColumn>,
    /// The configuration says which fields count, and there may be others.
    pub(super) positions_declared: bool,
    /// The column that fields without a column are kept in.
    pub(super) extra: Option<usize>,
    /// Which lines are no records.
    pub(super) trailer: Option<TrailerPattern>,
    /// What those lines state of the file.
    pub(super) totals: Vec<Wanted>,
}

/// A column that a file may fill.
#[derive(Debug)]
pub(super) struct PlannedColumn {
    pub(super) name: String,
    /// What its values must be; or the catalogue's name of a type that nothing
    /// here knows, which is an error only in a file that has the column.
    pub(super) writer: Result<Writer, String>,
    pub(super) source: Source,
    /// Its name is taken only as it is, because another column of the table has
    /// it in other case.
    pub(super) exact: bool,
    /// The configuration names it, so a file must have it.
    pub(super) declared: bool,
    /// NULL is a reject.
    pub(super) required: bool,
    /// What stands for NULL, in canonical text.
    pub(super) default: Option<Vec<u8>>,
}

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The field under this header, or the member of this name.
    Name(String),
    /// The field at this place; the first is 0.
    Field(usize),
    /// The value to which these parts of a JSON pointer lead.
    Pointer(Vec<String>),
    /// A part of the object's key.
    Capture(String),
    /// This text, in every row.
    Constant(String),
    /// The fields that no other column takes.
    Extra,
    /// What stands between two positions of a line.
    Range(Range),
}

/// Pipeline and table do not fit each other: no file of this pipeline can be
/// loaded until a person changes one of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct PlanError {
    /// Each names the setting and says what to do.
    pub problems: Vec<String>,
}

/// Rows of one chunk, and so the cells of one record, must stay far below what
/// 32 bits can count.
const MAX_CELLS: usize = 1 << 30;

impl Plan {
    /// Joins what the pipeline declares with what the table has.
    pub fn new(pipeline: &Pipeline, table: &Table) -> Result<Self, PlanError> {
        let mut problems = Vec::new();
        let mut columns = join(pipeline, table, &mut problems);
        let extra = keep_extra(pipeline, table, &mut columns, &mut problems);
        let trailer = trailer::pattern(pipeline, &columns, &mut problems);
        let pipeline_name = &pipeline.name;
        if columns.is_empty() && problems.is_empty() {
            problems.push(format!(
                "pipeline.{pipeline_name}.table: {} has no column that a file could fill",
                table.name
            ));
        }
        if pipeline.mode == Mode::Replace && !table.has_arrival_id {
            problems.push(format!(
                "pipeline.{pipeline_name}.mode: table {0} has no column _arrival_id bigint, which \
                 mode = \"replace\" needs to tell whose rows are whose; run ALTER TABLE {0} ADD _arrival_id bigint",
                table.name
            ));
        }
        let max_record = pipeline.limits.max_record;
        let sources = 1 + pipeline.columns.len();
        if max_record == 0 || max_record.saturating_mul(sources) > MAX_CELLS {
            problems.push(format!(
                "pipeline.{pipeline_name}.format.max_record: with {} declared columns it must be from 1 to {} bytes",
                pipeline.columns.len(),
                MAX_CELLS / sources
            ));
        }
        if !problems.is_empty() {
            return Err(PlanError { problems });
        }
        Ok(Self {
            table: table.name.to_string(),
            format: pipeline.format.clone(),
            encoding: pipeline.limits.encoding,
            invalid_bytes: pipeline.limits.invalid_bytes,
            max_record,
            columns,
            positions_declared: pipeline.columns.iter().any(declared::has_position),
            extra,
            totals: trailer.as_ref().map_or_else(Vec::new, |pattern| {
                totals::wanted(pattern, |name| trailer::decimal_of(pipeline, name))
            }),
            trailer,
        })
    }
}

impl Plan {
    /// How the files are written.
    pub(crate) fn format(&self) -> &Format {
        &self.format
    }

    /// Whether some column may take the member of this name, or a part of it.
    pub(crate) fn takes(&self, member: &str) -> bool {
        let loose = loosely(member);
        self.columns.iter().any(|column| match &column.source {
            Source::Name(name) => *name == member || (!column.exact && loosely(name) == loose),
            Source::Pointer(parts) => parts.first().is_none_or(|part| part == member),
            _ => false,
        })
    }
}

/// Lets the column for fields without a column take them, where they are kept.
fn keep_extra(
    pipeline: &Pipeline,
    table: &Table,
    columns: &mut [PlannedColumn],
    problems: &mut Vec<String>,
) -> Option<usize> {
    let Format::Csv(Csv {
        extra_columns: ExtraColumns::Keep,
        ..
    }) = pipeline.format
    else {
        return None;
    };
    let name = ExtraColumns::COLUMN;
    let is_json = |column: &PlannedColumn| {
        let kind = column.writer.as_ref().map(|writer| writer.kind);
        matches!(kind, Ok(ColumnType::Json | ColumnType::Jsonb))
    };
    let found = columns.iter().position(|column| column.name == name);
    let Some(at) = found.filter(|at| is_json(&columns[*at])) else {
        problems.push(format!(
            "pipeline.{}.format.extra_columns: the table {1} has no column {name} of type jsonb to keep them in; \
             run ALTER TABLE {1} ADD {name} jsonb",
            pipeline.name, table.name
        ));
        return None;
    };
    columns[at].source = Source::Extra;
    columns[at].declared = false;
    Some(at)
}

fn join(pipeline: &Pipeline, table: &Table, problems: &mut Vec<String>) -> Vec<PlannedColumn> {
    let Mode::Upsert { key } = &pipeline.mode else {
        return join_with_key(pipeline, table, &[], problems);
    };
    for name in key {
        if !table.columns.iter().any(|column| column.name == *name) {
            problems.push(format!(
                "pipeline.{}.key: {}",
                pipeline.name,
                no_such_column(table, name)
            ));
        }
    }
    join_with_key(pipeline, table, key, problems)
}

fn join_with_key(
    pipeline: &Pipeline,
    table: &Table,
    key: &[String],
    problems: &mut Vec<String>,
) -> Vec<PlannedColumn> {
    for (at, column) in pipeline.columns.iter().enumerate() {
        let setting = format!("pipeline.{}.column.{}", pipeline.name, column.name);
        if !table.columns.iter().any(|known| known.name == column.name) {
            problems.push(format!(
                "{setting}: {}",
                no_such_column(table, &column.name)
            ));
        }
        if pipeline.columns[..at]
            .iter()
            .any(|other| other.name == column.name)
        {
            problems.push(format!("{setting}: the column is declared twice"));
        }
    }
    let positions = Positions::new(pipeline, table);
    let mut columns = Vec::new();
    for (at, column) in table.columns.iter().enumerate() {
        let declared = pipeline
            .columns
            .iter()
            .find(|declared| declared.name == column.name);
        let is_key = key.contains(&column.name);
        let source = positions.source(at, column);
        let planned = match declared {
            Some(declared) => Declared {
                pipeline,
                declared,
                column,
                is_key,
                position: source,
            }
            .plan(problems),
            None => match source {
                Some(source) => undeclared(pipeline, column, is_key, source, problems),
                None => {
                    check_left_out(pipeline, column, is_key, problems);
                    None
                }
            },
        };
        columns.extend(planned);
    }
    mark_twins(&mut columns);
    columns
}

fn mark_twins(columns: &mut [PlannedColumn]) {
    let mut twins: HashMap<String, usize> = HashMap::new();
    for column in columns.iter() {
        *twins.entry(loosely(&column.name)).or_default() += 1;
    }
    for column in columns {
        column.exact = !column.declared && twins[&loosely(&column.name)] > 1;
    }
}

/// A column that the table alone describes.
fn undeclared(
    pipeline: &Pipeline,
    column: &TableColumn,
    is_key: bool,
    source: Source,
    problems: &mut Vec<String>,
) -> Option<PlannedColumn> {
    let required = column.required || is_key;
    let by_position = matches!(source, Source::Field(_));
    if let (Err(kind), true) = (&column.kind, required || by_position) {
        problems.push(format!(
            "pipeline.{}.column: {}",
            pipeline.name,
            unknown_type(&column.name, kind)
        ));
        return None;
    }
    Some(PlannedColumn {
        name: column.name.clone(),
        writer: column.kind.clone().map(|kind| Writer {
            kind,
            decimal: b'.',
            format: None,
            key: is_key,
        }),
        source,
        exact: false,
        declared: false,
        required,
        default: None,
    })
}

/// Without a header, a column that no position names is not filled.
fn check_left_out(
    pipeline: &Pipeline,
    column: &TableColumn,
    is_key: bool,
    problems: &mut Vec<String>,
) {
    if column.required || is_key {
        problems.push(format!(
            "pipeline.{}.column: the table's column {} must be filled; declare it with its position in from, because {}",
            pipeline.name,
            column.name,
            match pipeline.format {
                Format::FixedWidth(_) => "a line names nothing",
                _ => "header = false",
            }
        ));
    }
}

/// What to do about a column whose type nothing here knows.
pub(super) fn unknown_type(column: &str, kind: &str) -> String {
    format!(
        "the column {column} has the type {kind}, which cannot be checked here; declare the column with a type that its values have, type = \"text\" for any"
    )
}

fn no_such_column(table: &Table, name: &str) -> String {
    if name == "_arrival_id" || name == "_record" {
        return format!("{name} is filled with the place of each record, and never from the file");
    }
    let names: Vec<_> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    format!(
        "the table {} has no column {name}; it has {}",
        table.name,
        names.join(", ")
    )
}

/// Which field each column of the table takes where no header tells.
enum Positions {
    /// Header or member names tell.
    ByName,
    /// The table's columns in their order, but for those that the key fills.
    InOrder(Vec<Option<usize>>),
    /// Only what the configuration declares.
    Declared,
}

impl Positions {
    fn new(pipeline: &Pipeline, table: &Table) -> Self {
        match pipeline.format {
            Format::Csv(Csv { header: false, .. }) => {}
            Format::FixedWidth(_) => return Self::Declared,
            Format::Csv(_) | Format::JsonLines(_) | Format::Parquet | Format::Avro => {
                return Self::ByName;
            }
        }
        if pipeline.columns.iter().any(declared::has_position) {
            return Self::Declared;
        }
        let from_key = |column: &TableColumn| {
            let same = |declared: &&Column| declared.name == column.name;
            pipeline
                .columns
                .iter()
                .find(same)
                .is_some_and(declared::is_captured)
        };
        let mut next = 0..;
        let positions = table.columns.iter().map(|column| match from_key(column) {
            true => None,
            false => next.next(),
        });
        Self::InOrder(positions.collect())
    }

    fn source(&self, at: usize, column: &TableColumn) -> Option<Source> {
        match self {
            Self::ByName => Some(Source::Name(column.name.clone())),
            Self::InOrder(positions) => positions[at].map(Source::Field),
            Self::Declared => None,
        }
    }
}

#[cfg(test)]
mod tests;
