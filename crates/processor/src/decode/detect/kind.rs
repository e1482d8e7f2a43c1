mod written;

use std::collections::BTreeSet;

use arrivage_model::{Column, ColumnType};

use crate::decode::value::{DateFormat, Writer};
use written::{DAYS, MOMENTS, is_code, is_group, is_null_word};

/// Who answers for a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caution {
    /// A person will look at it: a value in twenty may be a mistake, and the
    /// pipeline may say how values are written.
    Looked,
    /// Nobody: every value must fit, written as the type has it.
    Unseen,
}

/// What a column's values seem to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) kind: ColumnType,
    /// How dates and times are written, where not by ISO 8601.
    pub(super) format: Option<String>,
    pub(super) decimal: char,
    /// Words among them that seem to mean NULL.
    pub(super) null: BTreeSet<String>,
    /// What a person should look at.
    pub(super) note: Option<String>,
}

impl Guess {
    pub(super) fn text() -> Self {
        Self::of(ColumnType::Text)
    }

    fn of(kind: ColumnType) -> Self {
        Self {
            kind,
            format: None,
            decimal: '.',
            null: BTreeSet::new(),
            note: None,
        }
    }
}

/// What the values of each column are; columns are looked at together, because a
/// file has one decimal mark.
pub(super) fn guess(columns: &[Vec<&str>], caution: Caution) -> Vec<Guess> {
    let look = |marks| {
        let of_column = |values: &Vec<&str>| Look::new(values, caution, marks).guess();
        columns.iter().map(of_column).collect::<Vec<_>>()
    };
    let guesses = look(Marks::Unknown);
    match guesses.iter().any(|guess| guess.decimal == ',') {
        true => look(Marks::Comma),
        false => guesses,
    }
}

/// What a text is, or what texts are, that JSON has as strings: numbers and truths
/// would not be written as such.
pub(super) fn guess_string(values: &[&str]) -> Guess {
    let look = Look::new(values, Caution::Looked, Marks::Unknown);
    let exact = Look {
        mistakes: 0,
        ..look
    };
    let found = exact.time().or_else(|| exact.uuid());
    found
        .filter(|guess| guess.null.is_empty())
        .unwrap_or_else(Guess::text)
}

/// Whether a text looks like a value rather than a name.
pub(super) fn is_value(text: &str) -> bool {
    let found = Look::new(&[text.trim()], Caution::Looked, Marks::Comma).guess();
    found.kind != ColumnType::Text || found.note.is_some()
}

/// The column, with a type whose values are read without further words.
pub(super) fn text_unless_plain(column: Column) -> Column {
    let kind = match column.kind {
        _ if column.format.is_some() || column.decimal != '.' => Some(ColumnType::Text),
        Some(ColumnType::Numeric(_)) => Some(ColumnType::Numeric(None)),
        kind => kind,
    };
    Column {
        kind,
        format: None,
        decimal: '.',
        ..column
    }
}

/// What is known of the file's decimal mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    Unknown,
    /// Some column can only have commas.
    Comma,
}

#[derive(Clone, Copy)]
struct Look<'a> {
    values: &'a [&'a str],
    caution: Caution,
    marks: Marks,
    /// So many values may be wrong.
    mistakes: usize,
}

impl<'a> Look<'a> {
    fn new(values: &'a [&'a str], caution: Caution, marks: Marks) -> Self {
        let mistakes = match caution {
            Caution::Looked => values.len() / 20,
            Caution::Unseen => 0,
        };
        Self {
            values,
            caution,
            marks,
            mistakes,
        }
    }

    fn guess(&self) -> Guess {
        let found = self.boolean().or_else(|| self.packed_day());
        let found = found.or_else(|| self.whole()).or_else(|| self.decimal('.'));
        let found = found.or_else(|| self.decimal(',')).or_else(|| self.float());
        let found = found.or_else(|| self.time()).or_else(|| self.uuid());
        let found = found.or_else(|| self.address());
        found.unwrap_or_else(Guess::text)
    }

    /// How many values are otherwise, and which words among them mean NULL;
    /// nothing: too many, or none is as it should be.
    fn others(&self, is_one: impl Fn(&str) -> bool) -> Option<(usize, BTreeSet<String>)> {
        let (mut good, mut bad, mut null) = (0, 0, BTreeSet::new());
        for value in self.values {
            if is_one(value) {
                good += 1;
            } else if self.caution == Caution::Looked && is_null_word(value) {
                null.insert((*value).to_owned());
            } else {
                bad += 1;
            }
            if bad > self.mistakes {
                return None;
            }
        }
        (good > 0 && null.len() <= 3).then_some((bad, null))
    }

    fn all(&self, kind: ColumnType, is_one: impl Fn(&str) -> bool) -> Option<Guess> {
        let (_, null) = self.others(is_one)?;
        Some(Guess {
            null,
            ..Guess::of(kind)
        })
    }

    fn written(&self, writer: &Writer) -> Option<Guess> {
        self.all(writer.kind, |value| reads(writer, value))
    }

    /// Words for true and false; both, where one letter could be anything.
    fn boolean(&self) -> Option<Guess> {
        let is = |words: &[&str], value: &&str| {
            words.iter().any(|word| value.eq_ignore_ascii_case(word))
        };
        let has = |words: &[&str]| self.values.iter().any(|value| is(words, value));
        let spelt = has(&["true", "false", "yes", "no"]);
        let letters = (has(&["t"]) && has(&["f"])) || (has(&["y"]) && has(&["n"]));
        if !spelt && !letters {
            return None;
        }
        // With other mistakes than words for NULL it is a word among words.
        let exact = Self {
            mistakes: 0,
            ..*self
        };
        exact.written(&plain(ColumnType::Boolean))
    }

    /// Days written as eight digits, which no two other numbers happen to be.
    fn packed_day(&self) -> Option<Guess> {
        if self.caution == Caution::Unseen {
            return None;
        }
        let is_near = |value: &str| value.len() == 8 && ("1900".."2100").contains(&&value[..4]);
        let (first, others) = self.values.split_first()?;
        if others.iter().all(|other| other == first) {
            return None;
        }
        self.formatted(ColumnType::Date, "%Y%m%d", |value| {
            value.is_ascii() && is_near(value)
        })
        .map(|(_, guess)| guess)
    }

    /// Whole numbers, unless one is written as only a code is.
    fn whole(&self) -> Option<Guess> {
        if self.values.iter().any(|value| is_code(value)) {
            return None;
        }
        let found = self.written(&plain(ColumnType::BigInt));
        let is_whole = |value: &str| {
            let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_long = |value: &&&str| is_whole(value) && !reads(&plain(ColumnType::BigInt), value);
        match self.values.iter().find(is_long) {
            None => found,
            Some(_) => self.all(ColumnType::Numeric(None), is_whole),
        }
    }

    /// Numbers with fractions.
    fn decimal(&self, mark: char) -> Option<Guess> {
        let groups = |value: &&&str| value.contains(mark) && is_group(value, mark);
        let fractions = || self.values.iter().filter(|value| value.contains(mark));
        let grouped = fractions().all(|value| groups(&value));
        let in_doubt = match mark {
            ',' => grouped && self.marks == Marks::Unknown,
            _ => grouped && self.marks == Marks::Comma,
        };
        let comma_unseen = mark == ',' && self.caution == Caution::Unseen;
        let is_coded = || self.values.iter().any(|value| is_code(value));
        if fractions().next().is_none() || in_doubt || comma_unseen || is_coded() {
            return None;
        }
        let found = self.written(&Writer {
            decimal: mark as u8,
            ..plain(ColumnType::Numeric(None))
        })?;
        let scale = |value: &&str| {
            value
                .split_once(mark)
                .map_or(0, |(_, fraction)| fraction.len())
        };
        let writer = Writer {
            decimal: mark as u8,
            ..plain(ColumnType::Numeric(None))
        };
        let mut sound = self.values.iter().filter(|value| reads(&writer, value));
        let first = sound.next().map_or(0, scale);
        // Prices have as many decimals each; measures do not.
        let is_fixed = (1..=4).contains(&first) && sound.all(|value| scale(value) == first);
        let is_short = self.values.iter().all(|value| value.len() <= 14);
        let kind = match is_fixed && is_short && self.caution == Caution::Looked {
            true => ColumnType::Numeric(Some((18, first as u16))),
            false => ColumnType::Numeric(None),
        };
        Some(Guess {
            kind,
            decimal: mark,
            ..found
        })
    }

    /// Numbers with exponents, some of them.
    fn float(&self) -> Option<Guess> {
        let has_exponent = |value: &&str| {
            let digits = value.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            digits && value.contains(['e', 'E'])
        };
        if !self.values.iter().any(has_exponent) || self.values.iter().any(|value| is_code(value)) {
            return None;
        }
        self.written(&plain(ColumnType::DoublePrecision))
    }

    /// Days, times of day and moments, by ISO 8601 or in another format.
    fn time(&self) -> Option<Guess> {
        let kinds = [
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::TimestampTz,
            ColumnType::Timestamp,
        ];
        let iso = kinds.iter().find_map(|kind| self.written(&plain(*kind)));
        if iso.is_some() || self.caution == Caution::Unseen {
            return iso;
        }
        // Nothing but a digit or a weekday begins such a text, and most have none.
        let may_be = |value: &&&str| value.bytes().any(|byte| byte.is_ascii_digit());
        if self.values.iter().filter(may_be).count() <= self.mistakes {
            return None;
        }
        let mut fitting = Vec::new();
        for day in DAYS {
            fitting.extend(self.formatted(ColumnType::Date, day, |_| true));
        }
        for clock in ["%H:%M:%S", "%H:%M", "%H:%M:%S.%f"] {
            for day in DAYS {
                let format = format!("{day} {clock}");
                fitting.extend(self.formatted(ColumnType::Timestamp, &format, |_| true));
            }
        }
        for format in MOMENTS {
            fitting.extend(self.formatted(ColumnType::TimestampTz, format, |_| true));
        }
        let least = fitting.iter().map(|(bad, _)| *bad).min()?;
        fitting.retain(|(bad, _)| *bad == least);
        let formats: Vec<_> = fitting
            .iter()
            .filter_map(|(_, guess)| guess.format.clone())
            .collect();
        let (_, first) = fitting.into_iter().next()?;
        if is_certain(&formats) {
            return Some(first);
        }
        let note = format!(
            "every value fits {}; declare it as {} with the one that is meant",
            formats.join(" as well as "),
            first.kind
        );
        Some(Guess {
            note: Some(note),
            ..Guess::text()
        })
    }

    fn formatted(
        &self,
        kind: ColumnType,
        text: &str,
        may_be: impl Fn(&str) -> bool,
    ) -> Option<(usize, Guess)> {
        let format = DateFormat::new(text, kind).ok()?;
        let writer = Writer {
            format: Some(format),
            ..plain(kind)
        };
        let (bad, null) = self.others(|value| may_be(value) && reads(&writer, value))?;
        let guess = Guess {
            format: Some(text.to_owned()),
            null,
            ..Guess::of(kind)
        };
        Some((bad, guess))
    }

    /// Addresses, all of them.
    fn address(&self) -> Option<Guess> {
        let exact = Self {
            mistakes: 0,
            ..*self
        };
        exact.written(&plain(ColumnType::Inet))
    }

    /// With hyphens: without, they may be anything's digest.
    fn uuid(&self) -> Option<Guess> {
        let writer = plain(ColumnType::Uuid);
        self.all(ColumnType::Uuid, |value| {
            value.len() == 36 && reads(&writer, value)
        })
    }
}

/// One format, or several that read the same from it: `%b` takes what `%B` takes.
fn is_certain(formats: &[String]) -> bool {
    let folded = |format: &String| format.replace("%B", "%b");
    let first = formats.first().map(folded);
    formats.iter().all(|format| Some(folded(format)) == first)
}

fn plain(kind: ColumnType) -> Writer {
    Writer {
        kind,
        decimal: b'.',
        format: None,
        key: false,
    }
}

fn reads(writer: &Writer, value: &str) -> bool {
    writer.write(value.as_bytes(), &mut Vec::new()).is_ok()
}
