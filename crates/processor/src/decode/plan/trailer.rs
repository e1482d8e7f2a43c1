use arrivage_model::{ColumnType, Pipeline, Total, TrailerPattern};

use super::PlannedColumn;

/// The lines that are no records; columns that they state sums of have to be there, and
/// to be numbers that are summed exactly.
pub(super) fn pattern(
    pipeline: &Pipeline,
    columns: &[PlannedColumn],
    problems: &mut Vec<String>,
) -> Option<TrailerPattern> {
    let text = pipeline.format.trailer()?;
    let mut complain = |what: String| {
        let name = &pipeline.name;
        problems.push(format!("pipeline.{name}.format.trailer: {what}"));
    };
    let pattern = match TrailerPattern::new(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            complain(error.to_string());
            return None;
        }
    };
    for total in pattern.totals() {
        let Total::Sum { column: name } = total else {
            continue;
        };
        let column = columns.iter().find(|column| column.name == *name);
        let kind = column.and_then(|column| column.writer.as_ref().ok());
        match kind.map(|writer| writer.kind) {
            None => complain(format!(
                "the table {} has no column {name:?}",
                pipeline.table
            )),
            Some(
                ColumnType::SmallInt
                | ColumnType::Integer
                | ColumnType::BigInt
                | ColumnType::Numeric(_),
            ) => {}
            Some(kind) => complain(format!("{name:?} is of type {kind}, which is not summed")),
        }
    }
    Some(pattern)
}

/// How the file writes decimals in this column.
pub(super) fn decimal_of(pipeline: &Pipeline, column: &str) -> char {
    let declared = pipeline.columns.iter().find(|known| known.name == column);
    declared.map_or('.', |column| column.decimal)
}
