use arrivage_model::ReasonCode;
use chrono::{Datelike, NaiveDate};

use super::date::{Day, append_two_digits, no_such_day, not_a_date, split_day};
use crate::decode::fault::{Fault, excerpt};

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) microsecond: u32,
}

/// What is wrong with a time of day.
enum Wrong {
    Form,
    NoSuchTime,
    TooFine,
}

impl Wrong {
    fn why(self) -> &'static str {
        match self {
            Self::Form => "is no time written as hh:mm:ss",
            Self::NoSuchTime => "is no time of day: the last is 23:59:59.999999",
            Self::TooFine => "is finer than a microsecond, and nothing is rounded",
        }
    }
}

/// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.ffffff`.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let fault = |wrong: Wrong| {
        Fault::new(
            ReasonCode::NotATime,
            format!("{} {}", excerpt(text), wrong.why()),
        )
    };
    match split_clock(text) {
        Ok((clock, [])) => clock.append(out),
        Ok((_, [b'Z' | b'z' | b'+' | b'-', ..])) => {
            let reason = format!("{} has an offset, and the column takes none", excerpt(text));
            return Err(Fault::new(ReasonCode::NotATime, reason));
        }
        Ok(_) => return Err(fault(Wrong::Form)),
        Err(wrong) => return Err(fault(wrong)),
    }
    Ok(())
}

/// A day and a time of day without offset, `T` or a blank between them. A day
/// alone is its midnight.
pub(super) fn write_timestamp(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let (day, clock, offset) = read_timestamp(text)?;
    if !offset.is_empty() {
        return Err(match read_offset(offset) {
            Some(_) => not_a_date(
                text,
                "has an offset, and the column's type, timestamp, takes none",
            ),
            None => not_a_timestamp(text),
        });
    }
    day.append(out);
    out.push(b' ');
    clock.append(out);
    Ok(())
}

/// A day, a time of day and an offset from UTC: written in UTC.
pub(super) fn write_timestamptz(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let (day, clock, offset) = read_timestamp(text)?;
    if offset.is_empty() {
        let why = "lacks an offset such as Z or +01:00, without which it is no moment";
        return Err(not_a_date(text, why));
    }
    let Some(offset) = read_offset(offset) else {
        return Err(not_a_timestamp(text));
    };
    let (day, clock) = match offset {
        0 => (day, clock),
        _ => to_utc(day, clock, offset).ok_or_else(|| no_such_day(text))?,
    };
    append_moment(day, clock, out);
    Ok(())
}

pub(super) fn append_moment(day: Day, clock: Clock, out: &mut Vec<u8>) {
    day.append(out);
    out.push(b' ');
    clock.append(out);
    out.extend_from_slice(b"+00:00");
}

fn read_timestamp(text: &[u8]) -> Result<(Day, Clock, &[u8]), Fault> {
    let (day, rest) = split_day(text).ok_or_else(|| not_a_timestamp(text))?;
    if !day.exists() {
        return Err(no_such_day(text));
    }
    match rest {
        [] => Ok((day, Clock::MIDNIGHT, rest)),
        [b'T' | b't' | b' ', rest @ ..] => match split_clock(rest) {
            Ok((clock, rest)) => Ok((day, clock, rest)),
            Err(Wrong::Form) => Err(not_a_timestamp(text)),
            Err(wrong) => Err(not_a_date(text, wrong.why())),
        },
        _ => Err(not_a_timestamp(text)),
    }
}

fn not_a_timestamp(text: &[u8]) -> Fault {
    not_a_date(text, "is no date and time written as YYYY-MM-DD hh:mm:ss")
}

/// The time of day at the beginning, and the rest.
fn split_clock(text: &[u8]) -> Result<(Clock, &[u8]), Wrong> {
    let (minutes, mut rest) = text.split_at_checked(5).ok_or(Wrong::Form)?;
    if minutes[2] != b':' {
        return Err(Wrong::Form);
    }
    let mut clock = Clock {
        hour: two_digits(&minutes[..2]).ok_or(Wrong::Form)?,
        minute: two_digits(&minutes[3..]).ok_or(Wrong::Form)?,
        ..Clock::MIDNIGHT
    };
    if let [b':', after @ ..] = rest {
        let (second, after) = after.split_at_checked(2).ok_or(Wrong::Form)?;
        clock.second = two_digits(second).ok_or(Wrong::Form)?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            (clock.microsecond, rest) = split_fraction(after)?;
        }
    }
    if clock.hour > 23 || clock.minute > 59 || clock.second > 59 {
        return Err(Wrong::NoSuchTime);
    }
    Ok((clock, rest))
}

/// Microseconds from the digits of a fraction; further digits must be zeros.
fn split_fraction(text: &[u8]) -> Result<(u32, &[u8]), Wrong> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Err(Wrong::Form);
    }
    if digits.iter().skip(6).any(|digit| *digit != b'0') {
        return Err(Wrong::TooFine);
    }
    let padded = digits.iter().copied().chain([b'0'; 6]).take(6);
    let microsecond = padded.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    Ok((microsecond, rest))
}

/// Minutes east of UTC: `Z`, `±hh`, `±hhmm` or `±hh:mm`, less than 16 hours.
fn read_offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let minutes = match digits {
        [_, _] => 0,
        [_, _, minutes @ ..] => two_digits(minutes.strip_prefix(b":").unwrap_or(minutes))?,
        _ => return None,
    };
    let hours = two_digits(&digits[..2])?;
    let sound = hours < 16 && minutes < 60;
    sound.then_some(sign * i64::from(hours * 60 + minutes))
}

fn to_utc(day: Day, clock: Clock, offset: i64) -> Option<(Day, Clock)> {
    let minutes = i64::from(clock.hour * 60 + clock.minute) - offset;
    let date = NaiveDate::from_ymd_opt(day.year as i32, day.month, day.day)?;
    let date = date.checked_add_signed(chrono::TimeDelta::days(minutes.div_euclid(24 * 60)))?;
    let minute_of_day = minutes.rem_euclid(24 * 60) as u32;
    let day = Day {
        year: u32::try_from(date.year()).ok()?,
        month: date.month(),
        day: date.day(),
    };
    let clock = Clock {
        hour: minute_of_day / 60,
        minute: minute_of_day % 60,
        ..clock
    };
    day.exists().then_some((day, clock))
}

impl Clock {
    pub(super) const MIDNIGHT: Self = Self {
        hour: 0,
        minute: 0,
        second: 0,
        microsecond: 0,
    };

    /// `hh:mm:ss`, and as many digits of the fraction as it needs.
    pub(super) fn append(self, out: &mut Vec<u8>) {
        append_two_digits(self.hour, out);
        out.push(b':');
        append_two_digits(self.minute, out);
        out.push(b':');
        append_two_digits(self.second, out);
        if self.microsecond == 0 {
            return;
        }
        out.push(b'.');
        append_two_digits(self.microsecond / 10_000, out);
        append_two_digits(self.microsecond / 100 % 100, out);
        append_two_digits(self.microsecond % 100, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// The number that exactly two ASCII digits make.
pub(super) fn two_digits(text: &[u8]) -> Option<u32> {
    let [tens, ones] = text else { return None };
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}
