//! COPY's binary format: every value as its type's receive function reads it, so that PostgreSQL
//! has no text to take apart.
//!
//! Values are canonical texts of the types that they were validated for, so they are taken apart
//! here without doubt. A value whose own type and column's type do not stand below goes as text,
//! with its whole row.

use std::net::IpAddr;

use arrivage_model::{ColumnType, Place, Rows};

use super::array::{ArrayForm, array_form};
use super::{Beside, numeric};
use crate::Destination;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// 2000-01-01, from which PostgreSQL counts, in days after 1970-01-01.
const EPOCH: i32 = 10_957;

const DAY: i64 = 24 * 3600 * 1_000_000;

/// How each cell of a row is written.
pub(super) struct Binary {
    forms: Vec<Cell>,
}

/// How a cell is written: one value, or an array of them.
enum Cell {
    One(Form),
    Array(ArrayForm),
}

/// How a value's canonical text becomes what its column's receive function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    SmallInt,
    Integer,
    BigInt,
    Numeric,
    Real,
    DoublePrecision,
    Boolean,
    Text,
    Jsonb,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Interval,
    Inet,
}

pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    // No flags, and no extension of the header.
    out.extend_from_slice(&[0; 8]);
}

pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i16).to_be_bytes());
}

impl Binary {
    /// Nothing where a column's type has no form here, or there are more columns than a row counts.
    pub(super) fn new(destination: &Destination, beside: Beside) -> Option<Self> {
        let table = &destination.table;
        if !table.lineage_is_bigint && (beside.arrival.is_some() || beside.record) {
            return None;
        }
        let form = |column: &arrivage_model::RowColumn| {
            let found = table.columns.iter().find(|found| found.name == column.name);
            cell(column.kind, *found?.kind.as_ref().ok()?)
        };
        let forms = destination.columns.iter().map(form);
        Some(Self {
            forms: forms.collect::<Option<_>>()?,
        })
    }

    pub(super) fn push(&self, beside: Beside, rows: &Rows, row: usize, out: &mut Vec<u8>) {
        let Place {
            record,
            line,
            byte_offset,
            ..
        } = rows.places()[row];
        let lineage = usize::from(beside.arrival.is_some()) + usize::from(beside.record);
        let width = self.forms.len() + lineage + beside.places;
        // A table has at most 1,600 columns.
        out.extend_from_slice(&(width as u16).to_be_bytes());
        if let Some(arrival) = beside.arrival {
            bigint(arrival.0, out);
        }
        if beside.record {
            bigint(record.cast_signed(), out);
        }
        for (form, cell) in self.forms.iter().zip(rows.cells(row)) {
            match cell {
                Some(text) => match form {
                    Cell::One(form) => form.encode(text, out),
                    Cell::Array(array) => measured(out, |out| array.encode(text, out)),
                },
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
        }
        for place in [record, line, byte_offset].iter().take(beside.places) {
            bigint(place.cast_signed(), out);
        }
    }
}

fn cell(value: ColumnType, column: ColumnType) -> Option<Cell> {
    match (value, column) {
        (ColumnType::Array(value), ColumnType::Array(column)) => {
            array_form(value.kind(), column.kind()).map(Cell::Array)
        }
        _ => form(value, column).map(Cell::One),
    }
}

/// For values of the one type in a column of the other.
pub(super) fn form(value: ColumnType, column: ColumnType) -> Option<Form> {
    use ColumnType as T;
    Some(match (value, column) {
        (T::SmallInt | T::Integer | T::BigInt, T::SmallInt) => Form::SmallInt,
        (T::SmallInt | T::Integer | T::BigInt, T::Integer) => Form::Integer,
        (T::SmallInt | T::Integer | T::BigInt, T::BigInt) => Form::BigInt,
        (T::SmallInt | T::Integer | T::BigInt | T::Numeric(_), T::Numeric(_)) => Form::Numeric,
        // Not numeric into these: it may be beyond them, which the database is to say.
        (T::SmallInt | T::Integer | T::BigInt | T::Real, T::Real) => Form::Real,
        (
            T::SmallInt | T::Integer | T::BigInt | T::Real | T::DoublePrecision,
            T::DoublePrecision,
        ) => Form::DoublePrecision,
        (T::Boolean, T::Boolean) => Form::Boolean,
        (_, T::Text | T::Varchar(_) | T::Char(_)) => Form::Text,
        (T::Enum(_) | T::Text, T::Enum(_)) => Form::Text,
        (T::Json | T::Jsonb, T::Json) => Form::Text,
        (T::Json | T::Jsonb, T::Jsonb) => Form::Jsonb,
        (T::Bytea, T::Bytea) => Form::Bytea,
        (T::Uuid, T::Uuid) => Form::Uuid,
        (T::Date, T::Date) => Form::Date,
        (T::Time, T::Time) => Form::Time,
        (T::Interval, T::Interval) => Form::Interval,
        (T::Inet, T::Inet) => Form::Inet,
        (T::Date | T::Timestamp, T::Timestamp) | (T::TimestampTz, T::TimestampTz) => {
            Form::Timestamp
        }
        _ => return None,
    })
}

impl Form {
    pub(super) fn encode(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::SmallInt => sized(&(integer(text) as i16).to_be_bytes(), out),
            Self::Integer => sized(&(integer(text) as i32).to_be_bytes(), out),
            Self::BigInt => bigint(integer(text), out),
            Self::Numeric => measured(out, |out| numeric::encode(text, out)),
            Self::Real => sized(&float::<f32>(text).to_be_bytes(), out),
            Self::DoublePrecision => sized(&float::<f64>(text).to_be_bytes(), out),
            Self::Boolean => sized(&[u8::from(text == b"t")], out),
            Self::Text => sized(text, out),
            Self::Jsonb => measured(out, |out| {
                // The version of the form.
                out.push(1);
                out.extend_from_slice(text);
            }),
            Self::Bytea => measured(out, |out| hexadecimal(&text[2..], out)),
            Self::Uuid => measured(out, |out| hexadecimal(text, out)),
            Self::Interval => measured(out, |out| interval(text, out)),
            Self::Inet => measured(out, |out| address(text, out)),
            Self::Date => sized(&(days(text) - EPOCH).to_be_bytes(), out),
            Self::Time => bigint(microseconds(text), out),
            Self::Timestamp => {
                let day = i64::from(days(text) - EPOCH) * DAY;
                bigint(day + text.get(11..).map_or(0, microseconds), out);
            }
        }
    }
}

fn bigint(number: i64, out: &mut Vec<u8>) {
    sized(&number.to_be_bytes(), out);
}

/// A value and, before it, its length.
fn sized(value: &[u8], out: &mut Vec<u8>) {
    // A chunk is far smaller than 2 GiB.
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// The same where the length shows only afterwards.
fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn integer(text: &[u8]) -> i64 {
    match text {
        // Counted downwards, the smallest number fits too.
        [b'-', digits @ ..] => digits.iter().fold(0, |number, digit| {
            number * 10 - i64::from(digit.wrapping_sub(b'0'))
        }),
        digits => digits.iter().fold(0, |number, digit| {
            number * 10 + i64::from(digit.wrapping_sub(b'0'))
        }),
    }
}

fn float<F: std::str::FromStr>(text: &[u8]) -> F {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    number.expect("a canonical number")
}

/// Pairs of hexadecimal digits, whatever hyphens stand between them.
fn hexadecimal(text: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte - b'a' + 10,
    };
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        out.push(digit(*high) << 4 | digit(*low));
    }
}

/// Of `P1Y2M3DT4H5M6.7S`: microseconds, days, months.
fn interval(text: &[u8], out: &mut Vec<u8>) {
    let (mut months, mut days, mut microseconds) = (0_i64, 0_i64, 0_i64);
    let mut in_time = false;
    let mut number = 0..0;
    for (at, byte) in text.iter().enumerate().skip(1) {
        let digits = &text[number.start.max(1)..at];
        let whole = digits
            .split(|byte| *byte == b'.')
            .next()
            .unwrap_or_default();
        match byte {
            b'T' => in_time = true,
            b'Y' => months += 12 * integer(whole),
            b'M' if !in_time => months += integer(whole),
            b'D' => days = integer(whole),
            b'H' => microseconds += 3_600_000_000 * integer(whole),
            b'M' => microseconds += 60_000_000 * integer(whole),
            b'S' => microseconds += fractional(digits),
            _ => continue,
        }
        number.start = at + 1;
    }
    out.extend_from_slice(&microseconds.to_be_bytes());
    out.extend_from_slice(&(days as i32).to_be_bytes());
    out.extend_from_slice(&(months as i32).to_be_bytes());
}

/// Of `-6.7`, in millionths.
fn fractional(text: &[u8]) -> i64 {
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let whole = integer(parts.next().unwrap_or_default()) * 1_000_000;
    let digits = parts.next().unwrap_or_default().iter();
    let padded = digits.chain([b'0'; 6].iter()).take(6);
    let part = padded.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    if text.starts_with(b"-") {
        whole - part
    } else {
        whole + part
    }
}

/// Of an address and the bits of its net: family, bits, whether it is of the type cidr, the
/// length, and the address.
fn address(text: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().expect("a canonical address");
    let bits = bits.parse().ok();
    match address {
        IpAddr::V4(address) => {
            out.extend_from_slice(&[2, bits.unwrap_or(32), 0, 4]);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.extend_from_slice(&[3, bits.unwrap_or(128), 0, 16]);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// Of `YYYY-MM-DD`, in days after 1970-01-01 (after Howard Hinnant's `days_from_civil`).
fn days(text: &[u8]) -> i32 {
    let number = |range: std::ops::Range<usize>| {
        text[range]
            .iter()
            .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Of `hh:mm:ss`, a fraction, and an offset that is zero.
fn microseconds(text: &[u8]) -> i64 {
    let two = |at: usize| i64::from((text[at] - b'0') * 10 + text[at + 1] - b'0');
    let seconds = two(0) * 3600 + two(3) * 60 + two(6);
    let fraction = match text.get(8..) {
        Some([b'.', digits @ ..]) => {
            let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
            let padded = digits.chain([b'0'; 6].iter()).take(6);
            padded.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
        }
        _ => 0,
    };
    seconds * 1_000_000 + fraction
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};

    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_has_its_number() {
        let mut date = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day");
        let mut expect = -719_162;
        while date <= NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day") {
            assert_eq!(days(date.to_string().as_bytes()), expect, "{date}");
            date = date + Days::new(1);
            expect += 1;
        }
    }

    #[test]
    fn a_time_is_microseconds_after_midnight() {
        let check =
            |text: &str, expect| assert_eq!(microseconds(text.as_bytes()), expect, "{text}");
        check("00:00:00", 0);
        check("23:59:59.999999", 86_399_999_999);
        check("01:02:03.5+00:00", 3_723_500_000);
        check("00:00:01+00:00", 1_000_000);
    }

    #[test]
    fn the_smallest_number_is_read_too() {
        for number in [0, 7, -1, i64::MAX, i64::MIN] {
            assert_eq!(integer(number.to_string().as_bytes()), number);
        }
    }

    #[test]
    fn all_but_what_the_database_must_judge_has_a_form() {
        use ColumnType as T;
        assert_eq!(form(T::Numeric(None), T::Real), None);
        assert_eq!(form(T::Numeric(None), T::DoublePrecision), None);
        assert_eq!(
            form(T::Integer, T::Numeric(Some((5, 2)))),
            Some(Form::Numeric)
        );
    }
}
