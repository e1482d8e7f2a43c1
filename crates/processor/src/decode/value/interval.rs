use std::io::Write;

use arrivage_model::ReasonCode;

use super::integer::split_sign;
use crate::decode::fault::{Fault, excerpt};

const SECOND: i128 = 1_000_000;

/// Months, days and microseconds: none can be told by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval {
    months: i128,
    days: i128,
    microseconds: i128,
}

/// What is wrong with an interval.
#[derive(Clone, Copy)]
enum Wrong {
    Form,
    TooFine,
    TooLarge,
}

/// By ISO 8601 with designators (`P1Y2M3DT4H5M6.7S`), as PostgreSQL writes it
/// (`1 year 2 mons 3 days 04:05:06.7`), or as hours, minutes and seconds alone. Written
/// by ISO 8601.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let found = std::str::from_utf8(text)
        .map_err(|_| Wrong::Form)
        .and_then(read);
    let interval = found.map_err(|wrong| {
        let (code, why) = match wrong {
            Wrong::Form => (
                ReasonCode::NotAnInterval,
                "is no interval: P1DT2H30M, 1 day 02:30:00 and 26:30:00 are",
            ),
            Wrong::TooFine => (
                ReasonCode::NotAnInterval,
                "is finer than a microsecond, and nothing is rounded",
            ),
            Wrong::TooLarge => (ReasonCode::OutOfRange, "is beyond the range of interval"),
        };
        Fault::new(code, format!("{} {why}", excerpt(text)))
    })?;
    interval.append(out);
    Ok(())
}

fn read(text: &str) -> Result<Interval, Wrong> {
    let interval = match text.strip_prefix('P') {
        Some(rest) => iso(rest)?,
        None => verbose(text)?,
    };
    let fits = i32::try_from(interval.months).is_ok()
        && i32::try_from(interval.days).is_ok()
        && i64::try_from(interval.microseconds).is_ok();
    match fits {
        true => Ok(interval),
        false => Err(Wrong::TooLarge),
    }
}

/// What follows the `P`.
fn iso(text: &str) -> Result<Interval, Wrong> {
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return Err(Wrong::Form),
        Some((date, time)) => (date, time),
        None if text.is_empty() => return Err(Wrong::Form),
        None => (text, ""),
    };
    let mut interval = Interval::default();
    let date = parts(date, &["Y", "M", "W", "D"])?;
    interval.months = whole(date[0])? * 12 + whole(date[1])?;
    interval.days = whole(date[2])? * 7 + whole(date[3])?;
    let time = parts(time, &["H", "M", "S"])?;
    interval.microseconds = (whole(time[0])? * 3600 + whole(time[1])? * 60) * SECOND;
    interval.microseconds += time[2].map_or(Ok(0), seconds)?;
    Ok(interval)
}

/// The numbers before these designators, which come in their order, each once.
fn parts<'a>(mut text: &'a str, designators: &[&str]) -> Result<Vec<Option<&'a str>>, Wrong> {
    let mut parts = vec![None; designators.len()];
    let mut next = 0;
    while !text.is_empty() {
        let at = text
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or(Wrong::Form)?;
        let found = designators[next..]
            .iter()
            .position(|known| *known == &text[at..=at]);
        let place = next + found.ok_or(Wrong::Form)?;
        parts[place] = Some(&text[..at]);
        next = place + 1;
        text = &text[at + 1..];
    }
    Ok(parts)
}

/// `1 year 2 mons -3 days +04:05:06.7`, of which parts may be missing.
fn verbose(text: &str) -> Result<Interval, Wrong> {
    const UNITS: [(&str, &str); 4] = [
        ("year", "years"),
        ("mon", "mons"),
        ("day", "days"),
        ("", ""),
    ];
    let mut interval = Interval::default();
    let mut words = text.split(' ').peekable();
    let mut last = None;
    while let Some(word) = words.next() {
        let Some(unit) = words.peek() else {
            // The time of day stands last.
            interval.microseconds = clock(word)?;
            return Ok(interval);
        };
        let unit = match *unit {
            "month" => "mon",
            "months" => "mons",
            other => other,
        };
        let place = UNITS
            .iter()
            .position(|(one, many)| unit == *one || unit == *many);
        let place = place.filter(|place| *place < 3 && last.is_none_or(|last| last < *place));
        match place.ok_or(Wrong::Form)? {
            0 => interval.months += whole(Some(word))? * 12,
            1 => interval.months += whole(Some(word))?,
            _ => interval.days = whole(Some(word))?,
        }
        last = place;
        words.next();
    }
    last.map(|_| interval).ok_or(Wrong::Form)
}

/// `hh:mm:ss` and a fraction, with any number of hours.
fn clock(text: &str) -> Result<i128, Wrong> {
    let (negative, digits) = split_sign(text.as_bytes());
    let digits = std::str::from_utf8(digits).map_err(|_| Wrong::Form)?;
    let mut parts = digits.split(':');
    let (Some(hours), Some(minutes), rest, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Wrong::Form);
    };
    let second = rest.unwrap_or("00");
    let is_sixtieth = |text: &str| {
        text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && text < "60"
    };
    let whole_second = second.split(['.', ',']).next().unwrap_or_default();
    if hours.len() < 2 || !is_sixtieth(minutes) || !is_sixtieth(whole_second) {
        return Err(Wrong::Form);
    }
    let unsigned = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => whole(Some(text)),
        false => Err(Wrong::Form),
    };
    let whole = unsigned(hours)? * 3600 + unsigned(minutes)? * 60;
    let sum = whole * SECOND + seconds(second)?;
    Ok(if negative { -sum } else { sum })
}

/// A whole number with or without sign; 0 where it is missing.
fn whole(text: Option<&str>) -> Result<i128, Wrong> {
    let Some(text) = text else { return Ok(0) };
    let (negative, digits) = split_sign(text.as_bytes());
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Wrong::Form);
    }
    if digits.len() > 18 {
        return Err(Wrong::TooLarge);
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + i128::from(digit - b'0'));
    Ok(if negative { -number } else { number })
}

/// Microseconds of seconds with a fraction.
fn seconds(text: &str) -> Result<i128, Wrong> {
    let (negative, _) = split_sign(text.as_bytes());
    let (seconds, fraction) = match text.split_once(['.', ',']) {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text, "0"),
    };
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Form);
    }
    if fraction.bytes().skip(6).any(|digit| digit != b'0') {
        return Err(Wrong::TooFine);
    }
    let padded = fraction.bytes().chain([b'0'; 6]).take(6);
    let part = padded.fold(0, |number, digit| number * 10 + i128::from(digit - b'0'));
    let seconds = whole(Some(seconds))? * SECOND;
    Ok(if negative {
        seconds - part
    } else {
        seconds + part
    })
}

impl Interval {
    fn append(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(b'P');
        let part = |number: i128, designator: &str, out: &mut Vec<u8>| {
            if number != 0 {
                write!(out, "{number}{designator}").expect("memory takes what is written");
            }
        };
        part(self.months / 12, "Y", out);
        part(self.months % 12, "M", out);
        part(self.days, "D", out);
        if self.microseconds != 0 {
            out.push(b'T');
        }
        let seconds = self.microseconds / SECOND;
        part(seconds / 3600, "H", out);
        part(seconds / 60 % 60, "M", out);
        let fraction = (self.microseconds % SECOND).unsigned_abs();
        if fraction == 0 {
            part(seconds % 60, "S", out);
        } else {
            let sign = if self.microseconds < 0 { "-" } else { "" };
            let digits = format!("{fraction:06}");
            let digits = digits.trim_end_matches('0');
            write!(out, "{sign}{}.{digits}S", (seconds % 60).abs())
                .expect("memory takes what is written");
        }
        if out.len() == start + 1 {
            out.extend_from_slice(b"T0S");
        }
    }
}
