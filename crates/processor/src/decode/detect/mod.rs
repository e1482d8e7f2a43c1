//! From the beginning of a file to what a pipeline has to say of it.
//!
//! ```text
//! encoding ── how the text is written
//!   json, dialect, fixed ── how records are written in it
//!     names, kind ── which columns they have, and of what type
//!       trial ── what the decoder makes of the beginning, told so
//! ```
//!
//! All of it is a guess from a sample, and says so: where more than one reading
//! fits, the one is taken that loads everything, which for a value is `text`.

mod dialect;
mod encoding;
mod fixed;
mod heading;
mod json;
mod kind;
mod names;
mod stated;
mod survey;
mod trial;

use arrivage_model::{
    Column, Csv, Delimiter, Encoding, ErrorCode, Format, JsonLines, Limits, Mode, Order, Pattern,
    Pipeline, RejectBudget, Table, TableColumn, TableName,
};

use super::DecodeError;

pub use stated::{detect_stated, infer_stated};
pub use trial::{Trial, try_out};

/// The beginning of a file, decompressed.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// As it is stored, byte-order mark included.
    pub bytes: &'a [u8],
    /// It is the whole file.
    pub whole: bool,
}

/// How a file seems to be written, and what seems to be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// How its records are written.
    pub format: Format,
    /// How its text is written.
    pub encoding: Encoding,
    /// Its columns in their order, each with a name for the table and a type.
    pub columns: Vec<Column>,
    /// What a person should look at.
    pub notes: Vec<String>,
}

/// A table has at most 1600 columns in PostgreSQL, two of them lineage.
const MOST_COLUMNS: usize = 1598;

/// Finds out how a file is written. The same bytes give the same answer.
pub fn detect(sample: Sample<'_>) -> Result<Detected, DecodeError> {
    let encoding = encoding::find(sample)?;
    let text = encoding::decode(encoding, sample.bytes);
    if text
        .trim_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .is_empty()
    {
        return Err(unreadable(
            "it holds no text, so nothing shows how it is written",
        ));
    }
    let detected = match json::columns(&text, sample.whole) {
        Some(columns) => Detected {
            format: Format::JsonLines(JsonLines::default()),
            encoding,
            columns: columns?,
            notes: Vec::new(),
        },
        None => separated_or_fixed(encoding, &text, sample)?,
    };
    match detected.columns.len() {
        0 => Err(unreadable("no column shows in its beginning")),
        1..=MOST_COLUMNS => Ok(detected),
        many => Err(too_many(many)),
    }
}

fn too_many(columns: usize) -> DecodeError {
    unreadable(&format!(
        "it seems to have {columns} columns, and a table has at most {MOST_COLUMNS}"
    ))
}

fn separated_or_fixed(
    encoding: Encoding,
    text: &str,
    sample: Sample<'_>,
) -> Result<Detected, DecodeError> {
    let found = dialect::find(text, sample.whole);
    // A decimal comma in each line cuts it in two.
    let is_doubtful = found.width == 2 && found.delimiter == "," && has_decimal_commas(text);
    if (found.width == 1 || is_doubtful)
        && let Some(detected) = fixed::find(encoding, text, sample)?
    {
        return Ok(detected);
    }
    heading::columns(encoding, found, text, sample)
}

/// Whether digits stand on either side of every comma.
fn has_decimal_commas(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b',', rest) {
        let before = at.checked_sub(1).map(|before| rest[before]);
        let beside = [before, rest.get(at + 1).copied()];
        let is_digit = |byte: &Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
        if !beside.iter().all(is_digit) {
            return false;
        }
        rest = &rest[at + 1..];
    }
    true
}

/// The columns of a table for files that a pipeline describes but for its
/// columns. Nothing is declared of them later, so they have only types whose
/// values read as they stand, and in which all of the sample can be loaded.
pub fn infer(pipeline: &Pipeline, sample: Sample<'_>) -> Result<Vec<Column>, DecodeError> {
    let text = encoding::decode(pipeline.limits.encoding, sample.bytes);
    let columns = match &pipeline.format {
        Format::JsonLines(_) => match json::columns(&text, sample.whole) {
            Some(columns) => columns?.into_iter().map(plain).collect(),
            None => return Err(no_columns("no JSON object shows in the file's beginning")),
        },
        Format::Csv(csv) => heading::infer(pipeline, csv, &text, sample)?,
        Format::FixedWidth(_) => {
            return Err(no_columns(
                "lines of a fixed width name no columns; declare them",
            ));
        }
        Format::Parquet | Format::Avro => {
            let message = format!("the file is not {}", pipeline.format.as_str());
            return Err(no_columns(&message));
        }
    };
    sound(columns)
}

/// Columns that a table can have.
fn sound(columns: Vec<Column>) -> Result<Vec<Column>, DecodeError> {
    let cannot_be = |column: &&Column| column.name.len() > 63 || column.name.contains('\0');
    if let Some(column) = columns.iter().find(cannot_be) {
        let message = format!("{:?} can be no column's name", column.name);
        return Err(no_columns(&message));
    }
    match columns.len() {
        0 => Err(no_columns("no column shows in the file's beginning")),
        1..=MOST_COLUMNS => Ok(columns),
        many => Err(too_many(many)),
    }
}

/// Without what only a declaration in the configuration could say.
fn plain(column: Column) -> Column {
    use arrivage_model::ColumnSource::{Name, Pointer};
    let from = match &column.from {
        Some(Name(name)) => Some(name.clone()),
        Some(Pointer(pointer)) => Some(pointer[1..].replace("~1", "/").replace("~0", "~")),
        _ => None,
    };
    let name = from.unwrap_or(column.name);
    kind::text_unless_plain(Column {
        name,
        from: None,
        ..column
    })
}

fn unreadable(message: &str) -> DecodeError {
    DecodeError {
        code: ErrorCode::Unsupported,
        message: message.to_owned(),
    }
}

fn no_columns(message: &str) -> DecodeError {
    DecodeError {
        code: ErrorCode::Target,
        message: format!("create_table without declared columns: {message}"),
    }
}

impl Detected {
    /// A pipeline that loads such files into the table that [`Detected::table`]
    /// describes: only columns of which the table says too little are declared.
    #[must_use]
    pub fn pipeline(&self, name: &str, patterns: Vec<Pattern>, table: TableName) -> Pipeline {
        let says_more = |column: &&Column| {
            column.from.is_some() || column.format.is_some() || column.decimal != '.'
        };
        // A line of a fixed width is nothing but what is declared of it.
        let untyped = |column: &Column| Column {
            kind: None,
            ..column.clone()
        };
        let columns = self.columns.iter().filter(says_more).map(untyped);
        Pipeline {
            columns: columns.collect(),
            ..pipeline(name, patterns, table, self.format.clone(), self.encoding)
        }
    }

    /// The table that its columns make.
    #[must_use]
    pub fn table(&self, name: TableName) -> Table {
        table(name, &self.columns)
    }

    /// Reads the sample's first records as they are described here.
    fn try_texts(
        &self,
        limits: Limits,
        sample: Sample<'_>,
        rows: usize,
    ) -> Result<Trial, DecodeError> {
        let name = TableName {
            schema: None,
            name: "sample".to_owned(),
        };
        let pipeline = Pipeline {
            limits,
            ..self.pipeline("sample", Vec::new(), name.clone())
        };
        try_out(&pipeline, &self.table(name), sample, rows)
    }
}

/// With everything that the configuration leaves out as its defaults have it.
fn pipeline(
    name: &str,
    patterns: Vec<Pattern>,
    table: TableName,
    format: Format,
    encoding: Encoding,
) -> Pipeline {
    Pipeline {
        name: name.to_owned(),
        patterns,
        table,
        mode: Mode::Append,
        order: Order::Any,
        atomic: false,
        create_table: false,
        max_attempts: 5,
        format,
        limits: Limits {
            encoding,
            ..Limits::default()
        },
        columns: Vec::new(),
        rejects: RejectBudget {
            max_rows: 1000,
            max_ratio: None,
        },
        sidecar: None,
        ignored_names: Vec::new(),
    }
}

fn table(name: TableName, columns: &[Column]) -> Table {
    let column = |column: &Column| TableColumn {
        name: column.name.clone(),
        kind: column.kind.ok_or_else(String::new),
        required: false,
    };
    Table {
        name,
        columns: columns.iter().map(column).collect(),
        has_arrival_id: true,
        has_record: true,
        lineage_is_bigint: true,
        parallel: true,
    }
}

/// The delimiter that a dialect names, or that the text shows.
fn delimiter<'a>(dialect: &'a Csv, text: &str, whole: bool) -> std::borrow::Cow<'a, str> {
    match &dialect.delimiter {
        Delimiter::Text(text) => text.into(),
        Delimiter::Auto => dialect::delimiter(text, dialect, whole).into(),
    }
}

#[cfg(test)]
mod tests;
