use arrivage_model::ReasonCode;

use super::time::two_digits;
use crate::decode::fault::{Fault, excerpt};

/// A day that the calendar has, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// `YYYY-MM-DD`.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    match split_day(text) {
        Some((day, [])) if day.exists() => {
            // It is canonical as it is.
            out.extend_from_slice(text);
            Ok(())
        }
        Some((_, [])) => Err(no_such_day(text)),
        Some((_, [b'T' | b't' | b' ', _, ..])) => {
            let why = "has a time of day, and the column takes a day";
            Err(not_a_date(text, why))
        }
        _ => Err(not_a_date(text, "is no date written as YYYY-MM-DD")),
    }
}

/// The day at the beginning, whether the calendar has it or not, and the rest.
pub(super) fn split_day(text: &[u8]) -> Option<(Day, &[u8])> {
    let (day, rest) = text.split_at_checked(10)?;
    if day[4] != b'-' || day[7] != b'-' {
        return None;
    }
    let day = Day {
        year: two_digits(&day[..2])? * 100 + two_digits(&day[2..4])?,
        month: two_digits(&day[5..7])?,
        day: two_digits(&day[8..])?,
    };
    Some((day, rest))
}

impl Day {
    pub(super) fn exists(self) -> bool {
        let days = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.is_leap_year() => 29,
            2 => 28,
            1..=12 => 31,
            _ => return false,
        };
        (1..=9999).contains(&self.year) && (1..=days).contains(&self.day)
    }

    fn is_leap_year(self) -> bool {
        let divides = |years| self.year.is_multiple_of(years);
        divides(4) && (!divides(100) || divides(400))
    }

    pub(super) fn append(self, out: &mut Vec<u8>) {
        append_two_digits(self.year / 100, out);
        append_two_digits(self.year % 100, out);
        out.push(b'-');
        append_two_digits(self.month, out);
        out.push(b'-');
        append_two_digits(self.day, out);
    }
}

pub(super) fn append_two_digits(number: u32, out: &mut Vec<u8>) {
    let digit = |number: u32| b'0' + (number % 10) as u8;
    out.extend_from_slice(&[digit(number / 10), digit(number)]);
}

pub(super) fn no_such_day(text: &[u8]) -> Fault {
    not_a_date(
        text,
        "is no day of the calendar, which here has the years 0001 to 9999",
    )
}

pub(super) fn not_a_date(text: &[u8], why: &str) -> Fault {
    Fault::new(ReasonCode::NotADate, format!("{} {why}", excerpt(text)))
}
