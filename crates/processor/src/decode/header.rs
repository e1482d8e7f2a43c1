use std::collections::{BTreeMap, HashMap, HashSet};

use arrivage_model::{Csv, ErrorCode, ExtraColumns, MissingColumns};
use unicode_normalization::UnicodeNormalization;

use super::DecodeError;
use super::fault::excerpt;
use super::layout::{Cell, Content, Layout};
use super::plan::{Plan, PlannedColumn, Source, unknown_type};
use super::state::{HeaderState, changed};

/// Names of fields that are kept are in every checkpoint: so many bytes at most.
const MOST_EXTRA: usize = 64 * 1024;

/// How many header names a message or a log line shows.
const SHOWN: usize = 100;

/// A header, as far as a plan asks for it: however many names it has, little of
/// it is kept.
///
/// A name is looked for as it is, and where it is not there, without blanks
/// around it and in any case.
pub(super) struct Header<'a> {
    plan: &'a Plan,
    policies: &'a Csv,
    /// Names that columns ask for, and where they were found.
    exact: HashMap<&'a str, Found>,
    loose: HashMap<String, Found>,
    /// Names at its beginning, for messages.
    first: Vec<String>,
    width: usize,
    /// Of the fields, so many at the end have no name.
    unnamed: usize,
    /// All names, where those that no column takes count.
    all: Option<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Found {
    Never,
    Once(usize),
    Twice,
}

impl<'a> Header<'a> {
    pub(super) fn new(plan: &'a Plan, policies: &'a Csv) -> Self {
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
            policies,
            exact,
            loose,
            first: Vec::new(),
            width: 0,
            unnamed: 0,
            all: (policies.extra_columns != ExtraColumns::Ignore).then(Vec::new),
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
        self.unnamed = match name.trim().is_empty() {
            true => self.unnamed + 1,
            false => 0,
        };
        if let Some(all) = &mut self.all {
            all.push(name.to_owned());
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
                Source::Pointer(_)
                | Source::Capture(_)
                | Source::Constant(_)
                | Source::Extra
                | Source::Range(_) => {
                    continue;
                }
            };
            let may_lack =
                self.policies.missing_columns == MissingColumns::Leave && !column.required;
            match (found, &column.writer) {
                (Some(_), Err(kind)) => return Err(refused(unknown_type(&column.name, kind))),
                (Some(field), Ok(_)) => {
                    fields.insert(column.name.clone(), field);
                }
                (None, _) if column.default.is_some() || may_lack => {}
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
            unnamed: self.unnamed.min(self.width - used(&fields)),
            extra: self.extra(&fields)?,
            fields,
            text: None,
            line: None,
        })
    }

    /// Fields that no column takes, where they are kept: under the name that they
    /// have, or under their position where they have none, or one that stood
    /// before.
    fn extra(&self, fields: &BTreeMap<String, usize>) -> Result<Vec<(String, usize)>, DecodeError> {
        let Some(all) = &self.all else {
            return Ok(Vec::new());
        };
        let taken: HashSet<usize> = fields.values().copied().collect();
        let mut names = HashSet::new();
        let mut extra = Vec::new();
        for (at, name) in all.iter().enumerate() {
            if taken.contains(&at) {
                continue;
            }
            let mut key = name.trim().to_owned();
            while key.is_empty() || !names.insert(key.clone()) {
                key = format!("{key}#{}", at + 1);
            }
            extra.push((key, at));
        }
        let named = extra.iter().filter(|(_, at)| !all[*at].trim().is_empty());
        match self.policies.extra_columns {
            ExtraColumns::Reject if named.clone().next().is_some() => {
                let named = named.take(SHOWN).map(|(name, _)| excerpt(name.as_bytes()));
                let named = named.collect::<Vec<_>>().join(", ");
                Err(refused(format!(
                    "no column of the table {} takes {named}, and extra_columns = \"reject\"",
                    self.plan.table
                )))
            }
            ExtraColumns::Keep => {
                let length: usize = extra.iter().map(|(name, _)| name.len() + 8).sum();
                match length <= MOST_EXTRA {
                    true => Ok(extra),
                    false => Err(refused(format!(
                        "the names that no column takes are {length} bytes long, and {MOST_EXTRA} can be kept"
                    ))),
                }
            }
            _ => Ok(Vec::new()),
        }
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

/// As many fields at the beginning hold all that columns take.
fn used(fields: &BTreeMap<String, usize>) -> usize {
    fields.values().max().map_or(0, |last| last + 1)
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
        if plan.extra == Some(at) {
            cells.push(Cell {
                column: at,
                content: Content::Extra,
            });
            continue;
        }
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

/// A name as it is compared where it is not found as it is: without accents,
/// in lower case, and with one `_` for blanks, hyphens, dots and underscores
/// together.
pub(super) fn loosely(name: &str) -> String {
    let is_mark = |c: &char| matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}' | '\u{feff}');
    let letters = name.nfkd().filter(|c| !is_mark(c));
    let mut loose = String::with_capacity(name.len());
    for c in letters.flat_map(char::to_lowercase) {
        let between = c.is_whitespace() || matches!(c, '_' | '-' | '.');
        match between {
            true if loose.is_empty() || loose.ends_with('_') => {}
            true => loose.push('_'),
            false => loose.push(c),
        }
    }
    loose.truncate(loose.trim_end_matches('_').len());
    match loose.is_empty() {
        // Nothing but marks: as it is, so that two such names differ.
        true => name.trim().to_owned(),
        false => loose,
    }
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
