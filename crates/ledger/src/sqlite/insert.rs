//! Rows into a table, by prepared statements of many rows each.

use std::ops::Range;
use std::sync::Arc;

use arrivage_model::{ArrivalId, ColumnType, Mode, Rows};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Error, SqliteConnection};

use super::target::quote;
use super::{json, signed, staging};
use crate::Destination;

/// Rows of one statement: more of them make it no faster.
const ROWS: usize = 100;

/// SQLite's limit is 32,766.
const VARIABLES: usize = 32_000;

pub(super) struct Insert {
    arrival: Option<ArrivalId>,
    record: bool,
    /// Each row's record, line and byte offset come last.
    places: bool,
    kinds: Vec<ColumnType>,
    /// `INSERT INTO … VALUES `
    head: String,
    /// `(?, ?, ?)`
    row: String,
    /// ` ON CONFLICT …`, in an upsert.
    tail: String,
    /// How many rows the prepared statement has, and its text.
    rows: usize,
    prepared: Arc<str>,
}

impl Insert {
    pub(super) fn new(arrival: ArrivalId, destination: &Destination) -> Self {
        let table = &destination.table;
        let mut columns = columns(destination);
        let (into, tail) = if destination.atomic {
            columns.extend(staging::PLACE);
            (staging::name(arrival), String::new())
        } else {
            (quote(&table.name.name), on_conflict(destination))
        };
        // OR ABORT: a constraint of the table that says ON CONFLICT IGNORE or REPLACE
        // would make records vanish that are neither rows nor rejects.
        let head = format!(
            "-- ledger::load\nINSERT OR ABORT INTO {into} ({}) VALUES ",
            quoted(&columns)
        );
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let rows = (VARIABLES / columns.len().max(1)).clamp(1, ROWS);
        Self {
            arrival: table.has_arrival_id.then_some(arrival),
            record: table.has_record,
            places: destination.atomic,
            kinds: destination
                .columns
                .iter()
                .map(|column| column.kind)
                .collect(),
            prepared: statement(&head, &row, &tail, rows),
            head,
            row,
            tail,
            rows,
        }
    }

    /// Adds these rows, in their order: of several with one key the last one wins.
    pub(super) async fn run(
        &self,
        connection: &mut SqliteConnection,
        rows: &Rows,
        mut range: Range<usize>,
    ) -> Result<(), Error> {
        while range.len() >= self.rows {
            let some = range.start..range.start + self.rows;
            range.start = some.end;
            let arguments = self.arguments(rows, some)?;
            sqlx::query_with(&self.prepared, arguments)
                .execute(&mut *connection)
                .await?;
        }
        if !range.is_empty() {
            let sql = statement(&self.head, &self.row, &self.tail, range.len());
            let arguments = self.arguments(rows, range)?;
            sqlx::query_with(&sql, arguments)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    fn arguments(&self, rows: &Rows, range: Range<usize>) -> Result<SqliteArguments<'_>, Error> {
        let mut arguments = SqliteArguments::default();
        for row in range {
            if let Some(arrival) = self.arrival {
                arguments.add(arrival.0).map_err(Error::Encode)?;
            }
            if self.record {
                let record = rows.places()[row].record;
                arguments.add(signed(record)).map_err(Error::Encode)?;
            }
            for (cell, kind) in rows.cells(row).zip(&self.kinds) {
                let cell = cell.map(|text| Value::of(*kind, text));
                match cell {
                    None => arguments.add(None::<i64>),
                    Some(Value::Integer(number)) => arguments.add(number),
                    Some(Value::Real(number)) => arguments.add(number),
                    Some(Value::Blob(bytes)) => arguments.add(bytes),
                    Some(Value::Text(text)) => arguments.add(text),
                }
                .map_err(Error::Encode)?;
            }
            if self.places {
                let place = &rows.places()[row];
                for number in [place.record, place.line, place.byte_offset] {
                    arguments.add(signed(number)).map_err(Error::Encode)?;
                }
            }
        }
        Ok(arguments)
    }
}

fn statement(head: &str, row: &str, tail: &str, rows: usize) -> Arc<str> {
    format!("{head}{}{tail}", vec![row; rows].join(", ")).into()
}

/// The columns that a row brings, lineage first.
fn columns(destination: &Destination) -> Vec<&str> {
    let table = &destination.table;
    let mut columns = Vec::new();
    columns.extend(table.has_arrival_id.then_some("_arrival_id"));
    columns.extend(table.has_record.then_some("_record"));
    columns.extend(
        destination
            .columns
            .iter()
            .map(|column| column.name.as_str()),
    );
    columns
}

/// The same, as SQL takes them.
pub(super) fn names(destination: &Destination) -> String {
    quoted(&columns(destination))
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
    names.join(", ")
}

/// What an INSERT ends with, so that a record replaces the row of its key.
pub(super) fn on_conflict(destination: &Destination) -> String {
    let Mode::Upsert { key } = &destination.mode else {
        return String::new();
    };
    let updates: Vec<String> = columns(destination)
        .iter()
        .filter(|column| !key.iter().any(|name| name == *column))
        .map(|column| format!("{0} = excluded.{0}", quote(column)))
        .collect();
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    let key = quoted(&key);
    if updates.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    format!(" ON CONFLICT ({key}) DO UPDATE SET {}", updates.join(", "))
}

/// What SQLite stores for a validated text.
#[derive(Debug, PartialEq)]
enum Value {
    Integer(i64),
    Real(f64),
    Blob(Vec<u8>),
    Text(String),
}

impl Value {
    /// Exact digits, dates, times, uuids and JSON stay text: REAL loses digits, and
    /// SQLite has no type for the others.
    fn of(kind: ColumnType, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let value = match kind {
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
                text.parse().ok().map(Self::Integer)
            }
            ColumnType::Real | ColumnType::DoublePrecision => text.parse().ok().map(Self::Real),
            ColumnType::Boolean => Some(Self::Integer(i64::from(text == "t"))),
            ColumnType::Bytea => bytes(&text).map(Self::Blob),
            ColumnType::Array(element) => {
                Some(Self::Text(json::array(element.kind(), text.as_bytes())))
            }
            _ => None,
        };
        value.unwrap_or_else(|| Self::Text(text.into_owned()))
    }
}

/// `\x00ff` → two bytes.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(nibble(high)? * 16 + nibble(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validated_text_becomes_the_value_that_sqlite_compares_rightly() {
        let check = |kind: ColumnType, text: &str, expect: Value| {
            assert_eq!(Value::of(kind, text.as_bytes()), expect, "{kind} {text}");
        };
        let text = |text: &str| Value::Text(text.to_owned());
        check(
            ColumnType::BigInt,
            "-9223372036854775808",
            Value::Integer(i64::MIN),
        );
        check(ColumnType::SmallInt, "7", Value::Integer(7));
        check(ColumnType::DoublePrecision, "1e308", Value::Real(1e308));
        check(ColumnType::Boolean, "t", Value::Integer(1));
        check(ColumnType::Boolean, "f", Value::Integer(0));
        check(ColumnType::Numeric(None), "1.10", text("1.10"));
        check(ColumnType::Text, "007", text("007"));
        check(ColumnType::Jsonb, "1", text("1"));
        check(ColumnType::Bytea, "\\x00fF", Value::Blob(vec![0, 255]));
        check(ColumnType::Bytea, "\\x", Value::Blob(Vec::new()));
        let numbers: ColumnType = "integer[]".parse().expect("a type");
        check(numbers, "{1,NULL}", text("[1,null]"));
    }
}
