use std::collections::{BTreeMap, HashMap};

use arrivage_model::ErrorCode;

use super::DecodeError;
use super::fault::excerpt;
use super::layout::{Cell, Content, Layout};
use super::plan::{Plan, PlannedColumn, Source, unknown_type};
use super::state::{HeaderState, changed};

/// How many header names a message or a log line shows.
const SHOWN: usize = 100;

/// Finds the field of each column in a header.
///
/// A name is looked for as it is, and where it is not there, without blanks
/// around it and in any case. Columns that only the table has, and that may be
/// left out, are left to the database when the header has no field for them.
pub(super) fn bind(plan: &Plan, names: &[String]) -> Result<HeaderState, DecodeError> {
    let lookup = Lookup::new(names);
    let mut fields = BTreeMap::new();
    let mut missing = Vec::new();
    for column in &plan.columns {
        let found = match &column.source {
            Source::Field(field) => Some(*field).filter(|field| *field < names.len()),
            Source::Name(name) => lookup.find(column, name)?,
            Source::Pointer(_) | Source::Capture(_) => continue,
        };
        match (found, &column.writer) {
            (Some(_), Err(kind)) => return Err(refused(unknown_type(&column.name, kind))),
            (Some(field), Ok(_)) => {
                fields.insert(column.name.clone(), field);
            }
            (None, _) if column.default.is_some() => {}
            (None, _) if column.declared || column.required => missing.push(describe(column)),
            (None, _) => {}
        }
    }
    if !missing.is_empty() {
        return Err(refused(format!(
            "the header lacks {}; it has {}",
            missing.join(" and "),
            list(names)
        )));
    }
    if fields.is_empty() {
        return Err(refused(format!(
            "no name in the header is a column of the table {}; it has {}",
            plan.table,
            list(names)
        )));
    }
    Ok(HeaderState {
        width: names.len(),
        fields,
    })
}

/// The layout of a file whose header was bound.
pub(super) fn layout(
    plan: &Plan,
    captured: &[Option<Vec<u8>>],
    header: &HeaderState,
) -> Result<Layout, DecodeError> {
    let mut cells = Vec::new();
    let mut bound = 0;
    for (at, column) in plan.columns.iter().enumerate() {
        let content = match (
            header.fields.get(&column.name),
            &captured[at],
            &column.default,
        ) {
            (Some(field), ..) if *field < header.width && column.writer.is_ok() => {
                bound += 1;
                Content::Field(*field)
            }
            (Some(_), ..) => return Err(changed("its header does not fit the table")),
            (None, Some(text), _) | (None, None, Some(text)) => Content::Constant(text.clone()),
            (None, None, None) => continue,
        };
        cells.push(Cell {
            column: at,
            content,
        });
    }
    if bound < header.fields.len() {
        return Err(changed("the table lost a column that the file fills"));
    }
    Ok(Layout::new(plan, cells))
}

/// Names in the header that no column takes, a hundred at most.
pub(super) fn ignored(names: &[String], header: &HeaderState) -> Vec<String> {
    let taken: Vec<usize> = header.fields.values().copied().collect();
    let others = names
        .iter()
        .enumerate()
        .filter(|(at, _)| !taken.contains(at));
    others.map(|(_, name)| name.clone()).take(SHOWN).collect()
}

struct Lookup<'a> {
    exact: HashMap<&'a str, Found>,
    loose: HashMap<String, Found>,
}

#[derive(Clone, Copy)]
enum Found {
    Once(usize),
    Twice,
}

impl<'a> Lookup<'a> {
    fn new(names: &'a [String]) -> Self {
        let mut exact = HashMap::new();
        let mut loose = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            let twice = |found: &mut Found| *found = Found::Twice;
            exact
                .entry(name.as_str())
                .and_modify(twice)
                .or_insert(Found::Once(at));
            loose
                .entry(loosely(name))
                .and_modify(twice)
                .or_insert(Found::Once(at));
        }
        Self { exact, loose }
    }

    fn find(&self, column: &PlannedColumn, name: &str) -> Result<Option<usize>, DecodeError> {
        let exact = self.exact.get(name);
        let found = match exact {
            None if !column.exact => self.loose.get(&loosely(name)),
            _ => exact,
        };
        match found {
            Some(Found::Once(field)) => Ok(Some(*field)),
            Some(Found::Twice) => Err(refused(format!(
                "the header has {name:?} twice, so that the column {} could be either",
                column.name
            ))),
            None => Ok(None),
        }
    }
}

/// A name as it is compared where it is not found as it is.
pub(super) fn loosely(name: &str) -> String {
    name.trim().to_lowercase()
}

pub(super) fn refused(message: String) -> DecodeError {
    DecodeError {
        code: ErrorCode::Header,
        message,
    }
}

fn describe(column: &PlannedColumn) -> String {
    match &column.source {
        Source::Name(name) if *name != column.name => {
            format!("{name:?} for the column {}", column.name)
        }
        Source::Field(field) => {
            format!(
                "a field at position {} for the column {}",
                field + 1,
                column.name
            )
        }
        _ => format!("the column {}", column.name),
    }
}

fn list(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(SHOWN)
        .map(|name| excerpt(name.as_bytes()));
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    list
}
