use std::collections::BTreeSet;

use arrivage_model::{
    Column, ColumnSource, ColumnType, Csv, Delimiter, Encoding, ExtraColumns, Format, Limits,
    MissingColumns, Pipeline, Ragged, RepeatedHeader,
};

use super::dialect::{self, Found};
use super::kind::{self, Caution, Guess};
use super::names::{self, Named};
use super::{DecodeError, Detected, MOST_COLUMNS, Sample, Trial, no_columns};
use crate::decode::csv;
use crate::decode::cut::{CsvCutter, Cut, line_end};

/// So many rows tell the types.
const ROWS: usize = 20_000;

/// The columns of separated values, and what is still open of the dialect.
pub(super) fn columns(
    encoding: Encoding,
    found: Found,
    text: &str,
    sample: Sample<'_>,
) -> Result<Detected, DecodeError> {
    let Found {
        mut dialect,
        delimiter,
        width,
        mut first,
        first_end,
    } = found;
    if width > MOST_COLUMNS {
        return Err(super::too_many(width));
    }
    dialect.header = false;
    let mut body = Body::read(&dialect, encoding, width, sample)?;
    let repeats = body.without(&first) > 1;
    let mut guesses = body.guess();
    if !dialect.trim && typed(&body.trimmed()) > typed(&guesses) {
        dialect.trim = true;
        let lines = usize::try_from(dialect.skip_lines).unwrap_or(usize::MAX);
        let rest = dialect::after_lines(text, lines);
        first = first_record(&dialect, &delimiter, rest).unwrap_or_default();
        body = Body::read(&dialect, encoding, width, sample)?;
        body.without(&first);
        guesses = body.guess();
    }
    // Among nothing but texts, one that comes again is rather a row.
    let is_header =
        is_heading(&first, &guesses).unwrap_or_else(|| !repeats && names_columns(&first, &body));
    if !is_header {
        body = Body::read(&dialect, encoding, width, sample)?;
        guesses = body.guess();
    }
    let mut headers = first;
    headers.truncate(width);
    headers.resize(width, String::new());
    let named = match is_header {
        true => names::name_all(&headers),
        false => names::numbered(width),
    };
    dialect.header = is_header && can_be_found(&headers, &body);
    if is_header && !dialect.header {
        dialect.skip_lines = first_end;
    }
    if dialect.header && repeats {
        dialect.repeated_header = RepeatedHeader::Skip;
    }
    let null: BTreeSet<_> = guesses
        .iter()
        .flat_map(|guess| guess.null.clone())
        .collect();
    dialect.null.extend(null);
    let mut notes = Vec::new();
    let mut columns = Vec::new();
    for (at, (Named { name, from }, guess)) in named.into_iter().zip(guesses).enumerate() {
        if dialect.header && headers[at].trim().is_empty() {
            continue;
        }
        let from = from.filter(|_| dialect.header).map(ColumnSource::Name);
        notes.extend(guess.note.as_ref().map(|note| format!("{name}: {note}")));
        columns.push(column(name, from, guess));
    }
    Ok(Detected {
        format: Format::Csv(dialect),
        encoding,
        columns,
        notes,
    })
}

/// The columns of a table for files in this dialect: names under which the header
/// is found again, and types that every value of the sample has.
pub(super) fn infer(
    pipeline: &Pipeline,
    dialect: &Csv,
    text: &str,
    sample: Sample<'_>,
) -> Result<Vec<Column>, DecodeError> {
    let delimiter = super::delimiter(dialect, text, sample.whole);
    let skip = usize::try_from(dialect.skip_lines).unwrap_or(usize::MAX);
    let rest = dialect::after_lines(text, skip);
    let first = first_record(dialect, &delimiter, rest)
        .ok_or_else(|| no_columns("no record shows in the file's beginning"))?;
    let unnamed = first.iter().rev().take_while(|name| name.trim().is_empty());
    let width = match dialect.header {
        true => first.len() - unnamed.count(),
        false => first.len(),
    };
    if width == 0 || first.len() > MOST_COLUMNS {
        let message = format!("{width} fields of the first record have names");
        return Err(no_columns(&message));
    }
    let by_position = Csv {
        header: false,
        delimiter: Delimiter::Text(delimiter.into_owned()),
        repeated_header: RepeatedHeader::Record,
        extra_columns: ExtraColumns::Ignore,
        missing_columns: MissingColumns::Reject,
        // Fields at the end may be left out where the header has no name for them.
        ragged: Ragged::Pad,
        ..dialect.clone()
    };
    let mut body = Body::read_with(&by_position, &pipeline.limits, first.len(), sample)?;
    let named = match dialect.header {
        true => names::name_all(&first[..width]),
        false => names::numbered(width),
    };
    if dialect.header {
        body.without(&first);
    }
    let guesses = kind::guess(&body.columns(), Caution::Unseen);
    let columns = named.into_iter().zip(guesses).map(|(named, guess)| {
        // A header that the plain name does not find is the name itself.
        let name = named.from.filter(|_| dialect.header).unwrap_or(named.name);
        kind::text_unless_plain(column(name, None, guess))
    });
    Ok(columns.collect())
}

fn column(name: String, from: Option<ColumnSource>, guess: Guess) -> Column {
    Column {
        name,
        kind: Some(guess.kind),
        from,
        format: guess.format,
        decimal: guess.decimal,
        required: false,
        default: None,
    }
}

/// The texts of the first record's fields.
pub(super) fn first_record(dialect: &Csv, delimiter: &str, text: &str) -> Option<Vec<String>> {
    let bytes = text.as_bytes();
    let mut cutter = CsvCutter::new(dialect, delimiter, bytes.len());
    cutter.keep(usize::MAX);
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        at += match cutter.cut(rest, true) {
            Cut::More => return None,
            Cut::Record(record) => {
                return Some(csv::texts(dialect, &rest[..record.content], &cutter));
            }
            Cut::Blank(line) | Cut::OpenQuote(line) | Cut::StrayQuote(line) => line.length,
            Cut::Comment | Cut::TooLong(_) => line_end(rest, 0, true)?.length,
        };
    }
}

fn typed(guesses: &[Guess]) -> usize {
    let is_typed = |guess: &&Guess| guess.kind != ColumnType::Text;
    guesses.iter().filter(is_typed).count()
}

/// Whether a record names the columns of those that follow it, as far as their types
/// tell: a number has another name than a number.
fn is_heading(first: &[String], guesses: &[Guess]) -> Option<bool> {
    let (mut names, mut values) = (0, 0);
    for (name, guess) in first.iter().zip(guesses) {
        match (guess.kind == ColumnType::Text, kind::is_value(name)) {
            (false, false) if !name.trim().is_empty() => names += 1,
            (_, true) => values += 1,
            _ => {}
        }
    }
    match names == values && values == 0 {
        true => None,
        false => Some(names > values),
    }
}

/// Whether a record of texts before others reads as names.
fn names_columns(first: &[String], body: &Body) -> bool {
    let mut different = BTreeSet::new();
    let is_name = |name: &String| {
        !name.trim().is_empty() && name.chars().count() <= 64 && !name.contains(['\n', '\r'])
    };
    let recurs = |(at, name): (usize, &String)| body.column(at).any(|value| value == name);
    // Fields at the end of a header may have no name.
    let end = first.iter().rposition(|name| !name.trim().is_empty());
    let first = &first[..end.map_or(0, |last| last + 1)];
    !first.is_empty()
        && first
            .iter()
            .all(|name| is_name(name) && different.insert(name.to_lowercase()))
        && !first.iter().enumerate().any(recurs)
}

/// Whether every column that has values can be found by its header.
fn can_be_found(headers: &[String], body: &Body) -> bool {
    let mut met = BTreeSet::new();
    headers
        .iter()
        .enumerate()
        .all(|(at, name)| match name.trim().is_empty() {
            true => body.column(at).next().is_none(),
            false => met.insert(name) && !names::is_capture(name),
        })
}

/// The records of a sample, as texts.
struct Body {
    width: usize,
    rows: Vec<Vec<Option<String>>>,
}

impl Body {
    fn read(
        dialect: &Csv,
        encoding: Encoding,
        width: usize,
        sample: Sample<'_>,
    ) -> Result<Self, DecodeError> {
        let limits = Limits {
            encoding,
            ..Limits::default()
        };
        Self::read_with(dialect, &limits, width, sample)
    }

    /// Reads by position, with every column a text.
    fn read_with(
        dialect: &Csv,
        limits: &Limits,
        width: usize,
        sample: Sample<'_>,
    ) -> Result<Self, DecodeError> {
        let texts = names::numbered(width).into_iter();
        let texts = texts.map(|named| column(named.name, None, Guess::text()));
        let detected = Detected {
            format: Format::Csv(dialect.clone()),
            encoding: limits.encoding,
            columns: texts.collect(),
            notes: Vec::new(),
        };
        let Trial { rows, .. } = detected.try_texts(*limits, sample, ROWS)?;
        Ok(Self { width, rows })
    }

    /// Leaves out the record that may be the header, and its repetitions; returns how
    /// many there were.
    fn without(&mut self, first: &[String]) -> usize {
        let before = self.rows.len();
        self.rows.retain(|row| !is_same(row, first));
        before - self.rows.len()
    }

    fn column(&self, at: usize) -> impl Iterator<Item = &str> + Clone {
        self.rows
            .iter()
            .filter_map(move |row| row.get(at)?.as_deref())
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        (0..self.width)
            .map(|at| self.column(at).collect())
            .collect()
    }

    fn guess(&self) -> Vec<Guess> {
        kind::guess(&self.columns(), Caution::Looked)
    }

    /// What it would be without blanks around values.
    fn trimmed(&self) -> Vec<Guess> {
        let trimmed = |at: usize| {
            let values = self.column(at).map(|value| value.trim_matches([' ', '\t']));
            values.filter(|value| !value.is_empty()).collect()
        };
        let columns: Vec<Vec<&str>> = (0..self.width).map(trimmed).collect();
        kind::guess(&columns, Caution::Looked)
    }
}

fn is_same(row: &[Option<String>], record: &[String]) -> bool {
    let texts = row
        .iter()
        .map(|cell| cell.as_deref().unwrap_or_default().trim());
    texts.eq(record.iter().take(row.len()).map(|text| text.trim()))
}
