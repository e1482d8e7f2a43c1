use std::collections::{BTreeMap, HashMap};

use arrivage_model::ErrorCode;

use super::DecodeError;
use super::fault::excerpt;
use super::layout::{Cell, Content, Layout};
use super::plan::{Plan, PlannedColumn, Source, unknown_type};
use super::state::{HeaderState, changed};

/// How many header names a message or a log line shows.
const SHOWN: usize = 100;

/// A header, as far as a plan asks for it: however many names it has, little of
/// it is kept.
///
/// A name is looked for as it is, and where it is not there, without blanks
/// around it and in any case.
pub(super) struct Header<'a> {
    plan: &'a Plan,
    /// Names that columns ask for, and where they were found.
    exact: HashMap<&'a str, Found>,
    loose: HashMap<String, Found>,
    /// Names at its beginning, for messages.
    first: Vec<String>,
    width: usize,
}

#[derive(Clone, Copy)]
enum Found {
    Never,
    Once(usize),
    Twice,
}

impl<'a> Header<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut exact = HashMap::new();
        let mut loose = HashMap::new();
        for column in &plan.columns {
            if let Source::Name(name) = &column.source {
                exact.insert(name.as_str(), Found::Never);
                loose.insert(loosely(name), Found::Never);
            }
        }
        Self {
            plan,
            exact,
            loose,
            first: Vec::new(),
            width: 0,
        }
    }

    /// Adds the name of the next field.
    pub(super) fn add(&mut self, name: &str) {
        let at = self.width;
        self.width += 1;
        if let Some(found) = self.exact.get_mut(name) {
            found.again(at);
        }
        if let Some(found) = self.loose.get_mut(&loosely(name)) {
            found.again(at);
        }
        if self.first.len() < self.plan.columns.len() + SHOWN {
            self.first.push(name.to_owned());
        }
    }

    /// Finds the field of each column.
    ///
    /// Columns that only the table has, and that may be left out, are left to
    /// the database when the header has no field for them.
    pub(super) fn bind(&self) -> Result<HeaderState, DecodeError> {
        let mut fields = BTreeMap::new();
        let mut missing = Vec::new();
        for column in &self.plan.columns {
            let found = match &column.source {
                Source::Field(field) => Some(*field).filter(|field| *field < self.width),
                Source::Name(name) => self.find(column, name)?,
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
            let missing = missing.join(" and ");
            return Err(refused(format!(
                "the header lacks {missing}; {}",
                self.names()
            )));
        }
        if fields.is_empty() {
            return Err(refused(format!(
                "no name in the header is a column of the table {}; {}",
                self.plan.table,
                self.names()
            )));
        }
        Ok(HeaderState {
            width: self.width,
            fields,
        })
    }

    fn find(&self, column: &PlannedColumn, name: &str) -> Result<Option<usize>, DecodeError> {
        let found = match self.exact.get(name) {
            None | Some(Found::Never) if !column.exact => self.loose.get(&loosely(name)),
            exact => exact,
        };
        match found {
            Some(Found::Once(field)) => Ok(Some(*field)),
            Some(Found::Twice) => Err(refused(format!(
                "the header has {name:?} twice, so that the column {} could be either",
                column.name
            ))),
            Some(Found::Never) | None => Ok(None),
        }
    }

    /// Names that no column takes, a hundred at most.
    pub(super) fn ignored(&self, state: &HeaderState) -> Vec<String> {
        let taken: Vec<usize> = state.fields.values().copied().collect();
        let others = self
            .first
            .iter()
            .enumerate()
            .filter(|(at, _)| !taken.contains(at));
        others.map(|(_, name)| name.clone()).take(SHOWN).collect()
    }

    fn names(&self) -> String {
        let shown = self
            .first
            .iter()
            .take(SHOWN)
            .map(|name| excerpt(name.as_bytes()));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match self.width.saturating_sub(SHOWN) {
            0 => format!("it has {shown}"),
            more => format!("it has {shown} and {more} more"),
        }
    }
}

impl Found {
    fn again(&mut self, at: usize) {
        *self = match self {
            Self::Never => Self::Once(at),
            Self::Once(_) | Self::Twice => Self::Twice,
        };
    }
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
