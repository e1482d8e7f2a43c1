use arrivage_model::{
    Arrival, Column, ColumnSource, ColumnType, Csv, Format, Pipeline, TableColumn,
};

use super::{PlannedColumn, Source, unknown_type};
use crate::decode::fit::fit;
use crate::decode::json::pointer;
use crate::decode::value::{DateFormat, Writer};

/// A column that the configuration names.
pub(super) struct Declared<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) declared: &'a Column,
    pub(super) column: &'a TableColumn,
    pub(super) is_key: bool,
    /// Where its values stand if the declaration does not say.
    pub(super) position: Option<Source>,
}

pub(super) fn has_position(column: &Column) -> bool {
    matches!(column.from, Some(ColumnSource::Position(_)))
}

pub(super) fn is_captured(column: &Column) -> bool {
    matches!(
        column.from,
        Some(ColumnSource::Capture(_) | ColumnSource::Constant(_))
    )
}

impl Declared<'_> {
    pub(super) fn plan(&self, problems: &mut Vec<String>) -> Option<PlannedColumn> {
        let mut found = Vec::new();
        let source = self.source().map_err(|problem| found.push(problem)).ok();
        let writer = self.writer().map_err(|problem| found.push(problem)).ok();
        let default = match (&self.declared.default, &writer) {
            (Some(text), Some(writer)) => self
                .canonical("default", text, writer)
                .map_err(|problem| found.push(problem))
                .ok(),
            _ => None,
        };
        if let (Some(Source::Constant(text)), Some(writer)) = (&source, &writer)
            && let Err(problem) = self.canonical("constant", text, writer)
        {
            found.push(problem);
        }
        let prefix = format!(
            "pipeline.{}.column.{}",
            self.pipeline.name, self.declared.name
        );
        problems.extend(found.iter().map(|problem| format!("{prefix}.{problem}")));
        Some(PlannedColumn {
            name: self.column.name.clone(),
            writer: Ok(writer?),
            source: source?,
            exact: false,
            declared: true,
            required: self.declared.required || self.column.required || self.is_key,
            default,
        })
    }

    fn source(&self) -> Result<Source, String> {
        let csv_header = match &self.pipeline.format {
            Format::Csv(Csv { header, .. }) => Some(*header),
            _ => None,
        };
        let fixed = matches!(self.pipeline.format, Format::FixedWidth(_));
        let Some(from) = &self.declared.from else {
            return self.position.clone().ok_or_else(|| {
                "from: give the position of its field, as other columns have it; header = false"
                    .to_owned()
            });
        };
        match from {
            ColumnSource::Range(range) if fixed => Ok(Source::Range(*range)),
            ColumnSource::Range(_) => Err("from: only lines of a fixed width have such positions".to_owned()),
            ColumnSource::Name(_) | ColumnSource::Pointer(_) | ColumnSource::Position(_) if fixed => Err(
                "from: a line of a fixed width has no names; give the first and the last position".to_owned(),
            ),
            ColumnSource::Name(name) if csv_header == Some(false) => Err(format!(
                "from: {name:?} names a header, and header = false; give the position of the field"
            )),
            ColumnSource::Name(name) => Ok(Source::Name(name.clone())),
            ColumnSource::Position(_) if csv_header.is_none() => Err(
                "from: a JSON object has no positions; give a member's name or a JSON pointer"
                    .to_owned(),
            ),
            ColumnSource::Position(0) => Err("from: the first position is 1".to_owned()),
            ColumnSource::Position(position) => Ok(Source::Field(position - 1)),
            ColumnSource::Pointer(text) if csv_header.is_some() => Err(format!(
                "from: {text:?} is a JSON pointer, and the format is csv; give a header or a position"
            )),
            ColumnSource::Pointer(text) => pointer::parts(text)
                .map(Source::Pointer)
                .ok_or_else(|| format!("from: {text:?} is no JSON pointer, which begins with /")),
            ColumnSource::Capture(name) => {
                let captured = |name: &String| {
                    let patterns = &self.pipeline.patterns;
                    patterns
                        .iter()
                        .any(|pattern| pattern.capture_names().contains(name))
                };
                let is_fact = Arrival::FACTS.contains(&name.as_str());
                if !is_fact && !captured(name) {
                    return Err(format!("from: no pattern in match captures {{{name}}}"));
                }
                Ok(Source::Capture(name.clone()))
            }
            ColumnSource::Constant(text) => Ok(Source::Constant(text.clone())),
        }
    }

    fn writer(&self) -> Result<Writer, String> {
        let kind = self.kind()?;
        let format = match &self.declared.format {
            None => None,
            Some(text) if is_date_or_time(kind) => {
                Some(DateFormat::new(text, kind).map_err(|problem| format!("format: {problem}"))?)
            }
            Some(_) => {
                return Err(format!(
                    "format: it says how dates and times are written, and the type is {kind}"
                ));
            }
        };
        let mark = self.declared.decimal;
        let sound = mark.is_ascii_punctuation() && !matches!(mark, '+' | '-');
        if !sound {
            return Err(format!("decimal: {mark:?} cannot be a decimal mark"));
        }
        Ok(Writer {
            kind,
            decimal: mark as u8,
            format,
            key: self.is_key,
        })
    }

    fn kind(&self) -> Result<ColumnType, String> {
        match (self.declared.kind, &self.column.kind) {
            (None, Ok(kind)) => Ok(*kind),
            (None, Err(kind)) => Err(format!("type: {}", unknown_type(&self.column.name, kind))),
            // The database reads the text, and refuses what it does not know.
            (Some(kind), Err(_)) => Ok(kind),
            (Some(declared), Ok(kind)) => fit(declared, *kind).ok_or_else(|| {
                format!("type: {declared} does not fit the table's column, which is {kind}; declare {kind}, or leave the type out")
            }),
        }
    }

    fn canonical(&self, key: &str, text: &str, writer: &Writer) -> Result<Vec<u8>, String> {
        let mut value = Vec::new();
        if text.contains('\0') {
            return Err(format!("{key}: it holds U+0000"));
        }
        match writer.write(text.as_bytes(), &mut value) {
            Ok(()) => Ok(value),
            Err(fault) => Err(format!("{key}: {}", fault.reason)),
        }
    }
}

fn is_date_or_time(kind: ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz
    )
}
