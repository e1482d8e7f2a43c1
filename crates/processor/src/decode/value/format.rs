use arrivage_model::{ColumnType, ReasonCode};
use chrono::format::{Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::date::{Day, no_such_day, not_a_date};
use super::time::{Clock, append_moment};
use crate::decode::fault::{Fault, excerpt};

/// How dates or times are written, as `strftime` has it.
#[derive(Debug)]
pub(in crate::decode) struct DateFormat {
    text: String,
    items: Vec<Item<'static>>,
    /// The third of February 2001, 04:05:06 UTC, written so.
    example: String,
    /// Numbers follow each other without anything between, so that only their
    /// lengths tell them apart.
    packed: bool,
}

impl DateFormat {
    /// Fits a format to a type, or says why it does not.
    pub(in crate::decode) fn new(text: &str, kind: ColumnType) -> Result<Self, String> {
        // Elsewhere `%f` is what follows the point; to chrono it is a number of
        // nanoseconds, and `.5` the five-billionth of a second.
        let items = StrftimeItems::new(&text.replace(".%f", "%.f"))
            .parse_to_owned()
            .map_err(|_| format!("{text:?} is no strftime format"))?;
        let is_count = |item: &Item<'_>| matches!(item, Item::Numeric(Numeric::Nanosecond, _));
        if items.iter().any(is_count) {
            return Err(format!(
                "{text:?} has %f without a point; write %3f, %6f or %9f for so many digits"
            ));
        }
        let moment = DateTime::from_timestamp(981_173_106, 0).unwrap_or_default();
        let mut example = String::new();
        let written = moment.format_with_items(items.iter());
        std::fmt::write(&mut example, format_args!("{written}"))
            .map_err(|_| format!("{text:?} is no strftime format that can be read"))?;
        let format = Self {
            text: text.to_owned(),
            packed: items.windows(2).any(|pair| pair.iter().all(is_number)),
            items,
            example,
        };
        let example = format.example.as_bytes();
        let makes_it = match kind {
            // A time of day is no part of it, unless it is midnight.
            ColumnType::Date => {
                let parsed = format.read(example);
                parsed.is_some_and(|parsed| parsed.to_naive_date().is_ok())
            }
            _ => format.write(kind, example, &mut Vec::new()).is_ok(),
        };
        if !makes_it {
            return Err(format!("{text:?} does not make a {kind}: {}", needs(kind)));
        }
        Ok(format)
    }

    /// Appends the value that `text` stands for.
    pub(super) fn write(
        &self,
        kind: ColumnType,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let code = match kind {
            ColumnType::Time => ReasonCode::NotATime,
            _ => ReasonCode::NotADate,
        };
        let fault = |why: &str| Fault::new(code, format!("{} {why}", excerpt(text)));
        let not_as_declared = || fault(&format!("is not written as {:?}", self.text));
        let parsed = self.read(text).ok_or_else(not_as_declared)?;
        match kind {
            ColumnType::Date => {
                let date = parsed.to_naive_date().map_err(|_| not_as_declared())?;
                if has_time(&parsed) && parsed.to_naive_time() != Ok(NaiveTime::MIN) {
                    return Err(fault("has a time of day, and the column takes a day"));
                }
                self.day(date, text)?.append(out);
            }
            ColumnType::Time => {
                if parsed.year().is_some() || parsed.day().is_some() {
                    return Err(fault("has a day, and the column takes a time of day"));
                }
                let time = parsed.to_naive_time().map_err(|_| not_as_declared())?;
                clock(time).map_err(fault)?.append(out);
            }
            ColumnType::Timestamp => {
                let moment = date_time(&parsed).ok_or_else(not_as_declared)?;
                if parsed.offset().is_some() {
                    return Err(fault(
                        "has an offset, and the column's type, timestamp, takes none",
                    ));
                }
                let clock = clock(moment.time()).map_err(fault)?;
                self.day(moment.date(), text)?.append(out);
                out.push(b' ');
                clock.append(out);
            }
            _ => {
                if parsed.offset().is_none() && parsed.timestamp().is_none() {
                    return Err(fault("lacks an offset, without which it is no moment"));
                }
                let moment = match parsed.offset() {
                    Some(_) => parsed.to_datetime().map(|moment| moment.naive_utc()).ok(),
                    None => parsed.to_naive_datetime_with_offset(0).ok(),
                };
                let moment = moment.ok_or_else(not_as_declared)?;
                let clock = clock(moment.time()).map_err(fault)?;
                append_moment(self.day(moment.date(), text)?, clock, out);
            }
        }
        Ok(())
    }

    /// What chrono reads, but without what it forgives: blanks and signs where
    /// the format has none, and digits that it drops.
    fn read(&self, text: &[u8]) -> Option<Parsed> {
        let text = std::str::from_utf8(text).ok()?;
        let example = &self.example;
        let is_blank = char::is_whitespace;
        let edged = |text: &str| text.starts_with(is_blank) || text.ends_with(is_blank);
        if (text.contains(is_blank) && !example.contains(is_blank))
            || (edged(text) && !edged(example))
            || (text.contains('+') && !example.contains('+'))
            || (self.packed
                && !digit_runs(text)
                    .take(digit_runs(example).count())
                    .eq(digit_runs(example)))
        {
            return None;
        }
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        let (_, after_point) = text.rsplit_once('.').unwrap_or_default();
        let digits = after_point.bytes().take_while(u8::is_ascii_digit).count();
        (digits <= 9 || parsed.nanosecond().is_none()).then_some(parsed)
    }

    fn day(&self, date: NaiveDate, text: &[u8]) -> Result<Day, Fault> {
        let day = Day {
            year: u32::try_from(date.year()).map_err(|_| no_such_day(text))?,
            month: date.month(),
            day: date.day(),
        };
        if !day.exists() {
            return Err(no_such_day(text));
        }
        // `24` read as `%Y` is more likely 2024 than the year 24.
        let year = format!("{:04}", day.year);
        if day.year < 1000 && !String::from_utf8_lossy(text).contains(&year) {
            return Err(not_a_date(text, "has a year of fewer than four digits"));
        }
        Ok(day)
    }
}

fn is_number(item: &Item<'_>) -> bool {
    matches!(item, Item::Numeric(..))
}

/// How long the runs of digits in a text are.
fn digit_runs(text: &str) -> impl Iterator<Item = usize> {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.map(str::len).filter(|length| *length > 0)
}

fn needs(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Date => "it must say year, month and day",
        ColumnType::Time => "it must say hour and minute, and no day",
        ColumnType::Timestamp => "it must say year, month and day, and no offset",
        _ => "it must say year, month, day, time and offset (%z)",
    }
}

fn has_time(parsed: &Parsed) -> bool {
    parsed.hour_mod_12().is_some() || parsed.minute().is_some() || parsed.second().is_some()
}

/// A day alone is its midnight.
fn date_time(parsed: &Parsed) -> Option<NaiveDateTime> {
    if has_time(parsed) || parsed.timestamp().is_some() {
        return parsed.to_naive_datetime_with_offset(0).ok();
    }
    Some(parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN))
}

fn clock(time: NaiveTime) -> Result<Clock, &'static str> {
    // chrono writes a leap second as one that is longer than a second.
    if time.nanosecond() >= 1_000_000_000 {
        return Err("is a leap second, which the column cannot hold");
    }
    if !time.nanosecond().is_multiple_of(1000) {
        return Err("is finer than a microsecond, and nothing is rounded");
    }
    Ok(Clock {
        hour: time.hour(),
        minute: time.minute(),
        second: time.second(),
        microsecond: time.nanosecond() / 1000,
    })
}
