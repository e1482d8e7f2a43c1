//! From the text of a value to the canonical text of its type.
//!
//! Every function takes valid UTF-8 without U+0000 and appends to `out` only
//! what the database reads back as exactly this value. On an error `out` may
//! hold a part of it.

mod address;
pub(super) mod array;
mod boolean;
mod bytes;
mod date;
mod float;
mod format;
mod integer;
mod interval;
mod label;
mod numeric;
mod text;
mod time;
mod uuid;

use arrivage_model::ColumnType;

use super::fault::Fault;
use super::json::document;

pub(super) use format::DateFormat;

/// How the values of one column are written in the source, and what they must
/// be.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) kind: ColumnType,
    /// The decimal mark.
    pub(super) decimal: u8,
    /// How dates and times are written; nothing: ISO 8601.
    pub(super) format: Option<DateFormat>,
    /// Equal values must have equal texts, because rows are found by them.
    pub(super) key: bool,
}

impl Writer {
    /// Appends the value that `text` stands for.
    pub(super) fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(format) = &self.format {
            return format.write(self.kind, text, out);
        }
        self.write_with(self.decimal, text, out)
    }

    /// Appends a number of a JSON document, which always has a point.
    pub(super) fn write_json_number(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.kind {
            ColumnType::Numeric(_) | ColumnType::Real | ColumnType::DoublePrecision => {
                self.write_with(b'.', text, out)
            }
            _ => self.write(text, out),
        }
    }

    fn write_with(&self, decimal: u8, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.kind {
            ColumnType::SmallInt => integer::write(text, i16::MAX as u64, "smallint", out),
            ColumnType::Integer => integer::write(text, i32::MAX as u64, "integer", out),
            ColumnType::BigInt => integer::write(text, i64::MAX as u64, "bigint", out),
            ColumnType::Numeric(Some((precision, scale))) => {
                numeric::write_sized(text, decimal, precision.into(), scale.into(), out)
            }
            ColumnType::Numeric(None) => numeric::write(text, decimal, self.key, out),
            ColumnType::Real => float::write::<f32>(text, decimal, self.key, out),
            ColumnType::DoublePrecision => float::write::<f64>(text, decimal, self.key, out),
            ColumnType::Boolean => boolean::write(text, out),
            ColumnType::Text => text::write(text, None, out),
            ColumnType::Varchar(length) => text::write(text, length, out),
            ColumnType::Char(length) => text::write_padded(text, length, self.key, out),
            ColumnType::Date => date::write(text, out),
            ColumnType::Time => time::write(text, out),
            ColumnType::Timestamp => time::write_timestamp(text, out),
            ColumnType::TimestampTz => time::write_timestamptz(text, out),
            ColumnType::Interval => interval::write(text, out),
            ColumnType::Inet => address::write(text, out),
            ColumnType::Uuid => uuid::write(text, out),
            ColumnType::Json | ColumnType::Jsonb => document::write(text, out),
            ColumnType::Bytea => bytes::write(text, out),
            ColumnType::Enum(labels) => label::write(text, labels, out),
            ColumnType::Array(element) => array::write(self, element, text, out),
        }
    }
}

#[cfg(test)]
mod tests;
