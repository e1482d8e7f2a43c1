use std::fmt;
use std::str::FromStr;

use crate::{Column, Csv, Encoding, FixedWidth, InvalidBytes, Pattern, Sidecar};

/// The declared way to load a class of objects into one table.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name in the ledger, in logs and in metrics.
    pub name: String,
    /// Which objects it takes.
    pub patterns: Vec<Pattern>,
    /// Which of them it does not take all the same, by what follows the last slash of
    /// their keys.
    pub ignored_names: Vec<Pattern>,
    /// Where their records go.
    pub table: TableName,
    /// How their records meet those that are there.
    pub mode: Mode,
    /// Whether an older content of a key may load after a newer one.
    pub order: Order,
    /// Their rows appear all at once, or not at all; always so in `replace`.
    pub atomic: bool,
    /// Make the table when it is missing.
    pub create_table: bool,
    /// Consecutive claims without progress before an arrival fails.
    pub max_attempts: u32,
    /// How the files are written.
    pub format: Format,
    /// How far they may go.
    pub limits: Limits,
    /// What is declared of the columns; the table says the rest.
    pub columns: Vec<Column>,
    /// How many rejects a file may have.
    pub rejects: RejectBudget,
    /// What an object has to have beside it before it counts.
    pub sidecar: Option<Sidecar>,
}

/// A table, perhaps with its schema. Both parts are exact: quoted when used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// Nothing: the first of the search path that has it.
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

/// Text that names no table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} names no table; write table, or schema.table, each of at most 63 bytes")]
pub struct TableNameError(String);

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let sound = |part: &str| !part.is_empty() && part.len() <= 63 && !part.contains('\0');
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !sound(name) || name.contains('.') || !schema.is_none_or(sound) {
            return Err(TableNameError(text.to_owned()));
        }
        Ok(Self {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// How an arrival's records meet the rows that are there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// They are added.
    Append,
    /// A record replaces the row with the same values in these columns.
    Upsert {
        /// Columns that together are unique in the table.
        key: Vec<String>,
    },
    /// A new content of an object replaces the rows of its other contents.
    Replace,
}

/// Whether an older content of a key may load after a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Yes.
    Any,
    /// No: it is superseded as soon as a newer one is being loaded.
    Newest,
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Separated values, as RFC 4180 has them, in the dialect given.
    Csv(Csv),
    /// One JSON object a line, or an array of them.
    JsonLines(JsonLines),
    /// Every value has its positions in a line.
    FixedWidth(FixedWidth),
    /// Columns of values in row groups, whose types its footer states.
    Parquet,
    /// Blocks of records, whose types its header states.
    Avro,
}

impl Format {
    /// What lines look like that are no records.
    #[must_use]
    pub fn trailer(&self) -> Option<&str> {
        match self {
            Self::Csv(csv) => csv.trailer.as_deref(),
            Self::FixedWidth(fixed) => fixed.trailer.as_deref(),
            Self::JsonLines(_) | Self::Parquet | Self::Avro => None,
        }
    }

    /// Whether a file states the types of its values, and is no text.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self, Self::Parquet | Self::Avro)
    }

    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::JsonLines(_) => "json-lines",
            Self::FixedWidth(_) => "fixed-width",
            Self::Parquet => "parquet",
            Self::Avro => "avro",
        }
    }
}

/// Settings of JSON Lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JsonLines {}

/// How a file is packed and what it may cost, whatever its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// How the object is compressed.
    pub compression: Compression,
    /// How its text is written, unless a byte-order mark says otherwise.
    pub encoding: Encoding,
    /// What becomes of bytes that the encoding does not have.
    pub invalid_bytes: InvalidBytes,
    /// The longest record, in bytes; a longer one is a reject.
    pub max_record: usize,
    /// The largest ratio of decompressed to compressed bytes, judged after 64
    /// MiB.
    pub max_expansion: u64,
}

impl Default for Limits {
    /// As the configuration has it when it says nothing.
    fn default() -> Self {
        Self {
            compression: Compression::Auto,
            encoding: Encoding::UTF_8,
            invalid_bytes: InvalidBytes::Reject,
            max_record: 1 << 20,
            max_expansion: 1000,
        }
    }
}

/// How an object is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As its first bytes say, never its name.
    Auto,
    /// Not at all, whatever its first bytes are.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// Any number of streams.
    Bzip2,
    /// Any number of streams.
    Xz,
    /// Any number of frames.
    Lz4,
    /// An archive: every file in it.
    Zip,
}

/// How many rejects an arrival may have before it fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RejectBudget {
    /// At most so many.
    pub max_rows: u64,
    /// At most this part of the records; judged at the end, and earlier only
    /// after 10,000 records.
    pub max_ratio: Option<f64>,
}

impl Pipeline {
    /// What a resume depends on: two pipelines with the same text read the same
    /// records from the same bytes, and gather them at the same place.
    #[must_use]
    pub fn reading(&self) -> String {
        format!(
            "{:?} {:?} {} {:?} {:?} atomic: {}",
            self.format,
            self.limits.compression,
            self.limits.encoding,
            self.limits.invalid_bytes,
            self.columns,
            self.atomic
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_with_or_without_schema() {
        let check = |text: &str, schema: Option<&str>, name: &str| {
            let table: TableName = text.parse().expect(text);
            assert_eq!(
                (table.schema.as_deref(), table.name.as_str()),
                (schema, name)
            );
            assert_eq!(table.to_string(), text);
        };
        check("orders", None, "orders");
        check("sales.Orders 2", Some("sales"), "Orders 2");
        for text in ["", ".", "a.", ".a", "a.b.c", "a\0", &"x".repeat(64)] {
            assert!(text.parse::<TableName>().is_err(), "{text:?}");
        }
    }
}
