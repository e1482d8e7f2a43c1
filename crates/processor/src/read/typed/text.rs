//! Typed values as the JSON that the decoder reads: every digit of a number, and else the text
//! that the column's own type would have, so that a column of text has the same.

use std::io::Write;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// What a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn in_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(super) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn integer(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("memory takes what is written");
}

/// A 32-bit number is written as the 64-bit one that it is exactly. What is no number becomes
/// a text, which no column of numbers takes.
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    match value.is_finite() {
        true => integer(value, out),
        false => integer(format_args!("\"{value}\""), out),
    }
}

/// A text. Its bytes are kept as they are, so that the decoder finds those that are no UTF-8.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))
    {
        let byte = rest[at];
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                hexadecimal(&[byte], out);
            }
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A text that is JSON itself. One that is not becomes a text behind a mark that makes its
/// record a reject: it could say more than one value.
pub(super) fn json(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let is_sound = std::str::from_utf8(text).is_ok() && crate::decode::is_json(text);
    if !is_sound {
        out.extend_from_slice(b"no JSON: ");
        return string(text, out);
    }
    out.extend_from_slice(text);
    for byte in &mut out[start..] {
        // Outside of strings they are blanks as any other, and inside they cannot stand.
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

pub(super) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    // A backslash in JSON.
    out.extend_from_slice(b"\"\\\\x");
    hexadecimal(value, out);
    out.push(b'"');
}

pub(super) fn uuid(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for (nth, byte) in value.iter().enumerate() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        hexadecimal(&[*byte], out);
    }
    out.push(b'"');
}

fn hexadecimal(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// A decimal of more bytes is out of range: it is put into digits in the square of their number.
const MOST_OF_DECIMAL: usize = 1024;

/// A whole number, in two's complement with the highest byte first, that counts in units of
/// ten to the minus `scale`. One that is out of range becomes words that are no JSON, so that its
/// record is a reject.
pub(super) fn decimal(value: &[u8], scale: usize, out: &mut Vec<u8>) {
    let negative = value.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = value.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (next, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (next, over);
        }
    }
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    magnitude.drain(..zeros);
    if magnitude.len() > MOST_OF_DECIMAL {
        let length = magnitude.len();
        return integer(
            format_args!("out of range: a decimal of {length} bytes"),
            out,
        );
    }
    let mut digits = match <[u8; 16]>::try_from(pad(&magnitude).as_slice()) {
        Ok(bytes) => u128::from_be_bytes(bytes).to_string(),
        Err(_) => many_digits(magnitude),
    };
    if digits.len() <= scale {
        digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
    }
    let is_zero = digits.bytes().all(|digit| digit == b'0');
    if negative && !is_zero {
        out.push(b'-');
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// At least 16 bytes of the same number.
fn pad(magnitude: &[u8]) -> Vec<u8> {
    let mut padded = vec![0; 16_usize.saturating_sub(magnitude.len())];
    padded.extend_from_slice(magnitude);
    padded
}

fn many_digits(mut magnitude: Vec<u8>) -> String {
    let mut groups = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u64;
        for byte in &mut magnitude {
            let number = rest << 8 | u64::from(*byte);
            *byte = (number / 1_000_000_000) as u8;
            rest = number % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut groups = groups.into_iter().rev();
    let first = groups.next().unwrap_or_default().to_string();
    groups.fold(first, |text, group| format!("{text}{group:09}"))
}

/// Days since 1970-01-01.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let date = i32::try_from(days)
        .ok()
        .and_then(|days| days.checked_add(719_163))
        .and_then(NaiveDate::from_num_days_from_ce_opt);
    out.push(b'"');
    match date {
        Some(date) => day(date, out),
        None => integer(format_args!("day {days} after 1970-01-01"), out),
    }
    out.push(b'"');
}

/// Since midnight.
pub(super) fn time(value: i64, unit: Unit, out: &mut Vec<u8>) {
    let seconds = value.div_euclid(unit.in_second());
    out.push(b'"');
    match seconds {
        0..86_400 => clock(seconds as u32, fraction(value, unit), out),
        _ => integer(format_args!("{value} {unit:?} after midnight"), out),
    }
    out.push(b'"');
}

/// Since 1970-01-01: a moment where it is counted in UTC, else what a clock on a wall shows.
pub(super) fn timestamp(value: i64, unit: Unit, is_utc: bool, out: &mut Vec<u8>) {
    let seconds = value.div_euclid(unit.in_second());
    seconds_and_nanos(seconds, fraction(value, unit), is_utc, out);
}

pub(super) fn seconds_and_nanos(seconds: i64, nanos: u32, is_utc: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    match DateTime::from_timestamp(seconds, 0) {
        Some(moment) => {
            let moment = moment.naive_utc();
            day(moment.date(), out);
            out.push(b' ');
            clock(moment.num_seconds_from_midnight(), nanos, out);
            out.extend_from_slice(if is_utc { b"+00:00" } else { b"" });
        }
        None => integer(format_args!("second {seconds} after 1970"), out),
    }
    out.push(b'"');
}

/// Months, days and milliseconds, each counted for itself.
pub(super) fn interval(value: [u32; 3], out: &mut Vec<u8>) {
    let [months, days, millis] = value;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    integer(
        format_args!("\"P{months}M{days}DT{seconds}.{millis:03}S\""),
        out,
    );
}

fn fraction(value: i64, unit: Unit) -> u32 {
    let part = value.rem_euclid(unit.in_second());
    (part * (1_000_000_000 / unit.in_second())) as u32
}

fn day(date: NaiveDate, out: &mut Vec<u8>) {
    // Five digits, or a minus, are no date to the decoder.
    integer(
        format_args!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        out,
    );
}

/// With as many digits of the fraction as say something.
fn clock(seconds: u32, nanos: u32, out: &mut Vec<u8>) {
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    integer(format_args!("{hour:02}:{minute:02}:{second:02}"), out);
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        integer(format_args!(".{}", digits.trim_end_matches('0')), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Vec<u8>), expect: &str) {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expect);
    }

    #[test]
    fn decimals_keep_their_digits() {
        check(|out| decimal(&12_345_i32.to_be_bytes(), 2, out), "123.45");
        check(|out| decimal(&(-5_i64).to_be_bytes(), 2, out), "-0.05");
        check(|out| decimal(&0_i32.to_be_bytes(), 3, out), "0.000");
        check(|out| decimal(&[], 0, out), "0");
        check(|out| decimal(&[0x80], 0, out), "-128");
        check(
            |out| decimal(&i128::MIN.to_be_bytes(), 38, out),
            "-1.70141183460469231731687303715884105728",
        );
        let mut long = vec![1];
        long.extend([0; 20]);
        check(
            |out| decimal(&long, 0, out),
            "1461501637330902918203684832716283019655932542976",
        );
        long[0] = 0xff;
        check(
            |out| decimal(&long, 1, out),
            "-146150163733090291820368483271628301965593254297.6",
        );
    }

    #[test]
    fn a_decimal_of_many_bytes_is_out_of_range() {
        let mut long = vec![0; 1 << 20];
        check(|out| decimal(&long, 2, out), "0.00");
        long.push(5);
        check(|out| decimal(&long, 2, out), "0.05");
        long.fill(0xff);
        check(|out| decimal(&long, 2, out), "-0.01");
        long[0] = 0x7f;
        check(
            |out| decimal(&long, 2, out),
            "out of range: a decimal of 1048577 bytes",
        );
        let mut digits = Vec::new();
        decimal(&long[..MOST_OF_DECIMAL], 0, &mut digits);
        assert_eq!(digits.len(), 2466);
    }

    #[test]
    fn dates_and_times_are_iso() {
        check(|out| date(0, out), "\"1970-01-01\"");
        check(|out| date(-719_162, out), "\"0001-01-01\"");
        check(|out| date(20_415, out), "\"2025-11-23\"");
        check(
            |out| date(i64::MAX, out),
            "\"day 9223372036854775807 after 1970-01-01\"",
        );
        check(
            |out| time(86_399_999_999, Unit::Micros, out),
            "\"23:59:59.999999\"",
        );
        check(
            |out| time(-1, Unit::Millis, out),
            "\"-1 Millis after midnight\"",
        );
        check(
            |out| timestamp(-1, Unit::Nanos, true, out),
            "\"1969-12-31 23:59:59.999999999+00:00\"",
        );
        check(
            |out| timestamp(1_700_000_000_500, Unit::Millis, false, out),
            "\"2023-11-14 22:13:20.5\"",
        );
        check(|out| interval([1, 2, 3004], out), "\"P1M2DT3.004S\"");
    }

    #[test]
    fn a_text_stays_in_its_line() {
        check(
            |out| string(b"a\"b\\c\n\r\t\x00\x1fe", out),
            r#""a\"b\\c\n\r\t\u0000\u001fe""#,
        );
        check(|out| bytes(&[0, 255], out), r#""\\x00ff""#);
        check(|out| json(b"{\"a\":\n[1]}", out), "{\"a\": [1]}");
        check(
            |out| json(b"1},{\"b\":2", out),
            "no JSON: \"1},{\\\"b\\\":2\"",
        );
    }

    #[test]
    fn floats_are_exact() {
        check(|out| float(0.1, out), "0.1");
        check(|out| float(f64::from(0.1_f32), out), "0.10000000149011612");
        check(|out| float(f64::NAN, out), "\"NaN\"");
        check(|out| float(f64::NEG_INFINITY, out), "\"-inf\"");
        check(|out| float(-0.0, out), "-0");
        check(|out| float(1e300, out), &format!("1{}", "0".repeat(300)));
    }
}
