use std::sync::Arc;

use arrivage_model::{Captures, ColumnType, ErrorCode, ReasonCode, RowColumn, Rows};

use super::DecodeError;
use super::fault::Fault;
use super::plan::{Plan, PlannedColumn, Source};
use super::value::Writer;

/// What the rows of a file are made of: the plan, completed by what the file
/// says of itself.
pub(super) struct Layout {
    /// The columns that are filled.
    pub(super) columns: Arc<[RowColumn]>,
    pub(super) cells: Vec<Cell>,
}

/// A cell of every row.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Its column, as a place in the plan.
    pub(super) column: usize,
    pub(super) content: Content,
}

/// Where a cell's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The field of the record at this place; the first is 0. In JSON, the slot
    /// of a member or of a pointer.
    Field(usize),
    /// The same text in every row.
    Constant(Vec<u8>),
    /// The fields that no other column takes, as a JSON object.
    Extra,
}

impl Layout {
    pub(super) fn new(plan: &Plan, cells: Vec<Cell>) -> Self {
        let filled = cells.iter().map(|cell| {
            let column = &plan.columns[cell.column];
            RowColumn {
                name: column.name.clone(),
                kind: column
                    .writer
                    .as_ref()
                    .map_or(ColumnType::Text, |writer| writer.kind),
            }
        });
        Self {
            columns: filled.collect(),
            cells,
        }
    }

    /// Adds one cell to the row for each column; `write` gets the columns that
    /// come from the record, and their field if it is one. An error names the guilty column.
    pub(super) fn write(
        &self,
        plan: &Plan,
        rows: &mut Rows,
        mut write: impl FnMut(&PlannedColumn, Option<usize>, &mut Rows) -> Result<(), Fault>,
    ) -> Result<(), (usize, Fault)> {
        for cell in &self.cells {
            let field = match &cell.content {
                Content::Field(field) => Some(*field),
                Content::Extra => None,
                Content::Constant(text) => {
                    push(rows, text);
                    continue;
                }
            };
            let column = &plan.columns[cell.column];
            write(column, field, rows).map_err(|fault| (cell.column, fault))?;
        }
        Ok(())
    }
}

/// Adds the cell of a value that is NULL or not there.
pub(super) fn write_null(column: &PlannedColumn, rows: &mut Rows) -> Result<(), Fault> {
    if let Some(default) = &column.default {
        push(rows, default);
        return Ok(());
    }
    if column.required {
        return Err(Fault::new(ReasonCode::Missing, "a value is required here"));
    }
    rows.push_null();
    Ok(())
}

fn push(rows: &mut Rows, text: &[u8]) {
    let Ok(()) = rows.push(|out| {
        out.extend_from_slice(text);
        Ok::<(), std::convert::Infallible>(())
    });
}

/// The canonical texts of the columns that are filled with the same in every row.
pub(super) fn captured(
    plan: &Plan,
    captures: &Captures,
) -> Result<Vec<Option<Vec<u8>>>, DecodeError> {
    plan.columns
        .iter()
        .map(|column| from_key(column, captures))
        .collect()
}

fn from_key(column: &PlannedColumn, captures: &Captures) -> Result<Option<Vec<u8>>, DecodeError> {
    let Ok(writer) = &column.writer else {
        return Ok(None);
    };
    let name = match &column.source {
        Source::Capture(name) => name,
        Source::Constant(text) => return Ok(constant(writer, text)),
        _ => return Ok(None),
    };
    let refused = |why: String| DecodeError {
        code: ErrorCode::Target,
        message: format!(
            "the column {} is filled from {{{name}}}, and {why}",
            column.name
        ),
    };
    match (captures.get(name), &column.default) {
        (Some(text), _) => {
            let mut value = Vec::new();
            if text.contains('\0') {
                return Err(refused("that holds U+0000".to_owned()));
            }
            match writer.write(text.as_bytes(), &mut value) {
                Ok(()) => Ok(Some(value)),
                Err(fault) => Err(refused(fault.into_reason())),
            }
        }
        (None, Some(default)) => Ok(Some(default.clone())),
        (None, None) => Err(refused(
            "nothing is known of it: no pattern of match took the object's key, or nobody told its time".to_owned(),
        )),
    }
}

/// That it fits was found out with the plan.
fn constant(writer: &Writer, text: &str) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let written = writer.write(text.as_bytes(), &mut value);
    written.ok().map(|()| value)
}
