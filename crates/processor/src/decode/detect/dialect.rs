use arrivage_model::{Csv, Delimiter, Ragged};

use super::heading::first_record;
use super::survey::Survey;

use crate::decode::cut::line_end;

/// A dialect is decided from so many bytes of text.
const HEAD: usize = 128 * 1024;

/// Those that are known to stand between fields, the likelier first.
const DELIMITERS: [&str; 9] = [",", ";", "\t", "|", "||", "^", "~", "\u{1}", "\u{1f}"];

/// The ones that `delimiter = "auto"` chooses among.
const USUAL: [&str; 4] = [",", ";", "\t", "|"];

/// A dialect in which a text can be read, and what shows of its records.
pub(super) struct Found {
    /// With the lines before the first record, and the delimiter.
    pub(super) dialect: Csv,
    pub(super) delimiter: String,
    /// Fields of most records.
    pub(super) width: usize,
    /// The fields of the first record, which may be the header.
    pub(super) first: Vec<String>,
    /// Lines up to its end.
    pub(super) first_end: u64,
}

/// The dialect that makes most of a text.
pub(super) fn find(text: &str, whole: bool) -> Found {
    let (head, ended) = head(text, whole);
    let named = separator_line(head);
    let (head, before) = match named {
        Some(_) => (after_lines(head, 1), 1),
        None => (head, 0),
    };
    let (mut dialect, delimiter) = match named {
        Some(delimiter) => best(head, ended, &[delimiter]),
        None => best(head, ended, &candidates(head)),
    };
    let mut survey = Survey::of(&dialect, delimiter, head, ended);
    if survey.has_comments(head) {
        dialect.comment = Some(b'#');
        survey = Survey::of(&dialect, delimiter, head, ended);
    }
    if survey.blank_led * 2 > survey.inner {
        dialect.trim = true;
        survey = Survey::of(&dialect, delimiter, head, ended);
    }
    if survey.is_often_short() {
        dialect.ragged = Ragged::Pad;
    }
    let (line, end) = survey.first();
    dialect.skip_lines = before + line;
    dialect.delimiter = Delimiter::Text(delimiter.to_owned());
    let lines = usize::try_from(line).unwrap_or(usize::MAX);
    let first = first_record(&dialect, delimiter, after_lines(head, lines));
    Found {
        width: survey.width,
        first: first.unwrap_or_default(),
        first_end: before + end,
        delimiter: delimiter.to_owned(),
        dialect,
    }
}

/// The dialect and the delimiter with the highest score; where none has any, the
/// file has one column.
fn best<'a>(text: &str, ended: bool, delimiters: &[&'a str]) -> (Csv, &'a str) {
    let mut best: Option<(f64, Csv, &str)> = None;
    for delimiter in delimiters {
        let mut unquoted = 0.8;
        for (quote, escape) in quotings(text) {
            if quote.is_some_and(|quote| delimiter.as_bytes().contains(&quote)) {
                continue;
            }
            let dialect = Csv {
                quote,
                escape,
                ..Csv::default()
            };
            let survey = Survey::of(&dialect, delimiter, text, ended);
            if survey.has_no_quotes() {
                unquoted = 1.0;
            }
            let likelier = if quote.is_none() { unquoted } else { 1.0 };
            let score = survey.score() * likelier;
            let beaten = best.as_ref().is_none_or(|(most, ..)| score > *most);
            if score > 0.0 && beaten {
                best = Some((score, dialect, *delimiter));
            }
        }
    }
    match best {
        Some((_, dialect, delimiter)) => (dialect, delimiter),
        None => (Csv::default(), absent(text)),
    }
}

/// The one of the usual delimiters that makes most of a text in this dialect.
pub(super) fn delimiter(text: &str, dialect: &Csv, whole: bool) -> &'static str {
    let (head, ended) = head(text, whole);
    let skip = usize::try_from(dialect.skip_lines).unwrap_or(usize::MAX);
    let head = after_lines(head, skip);
    let mut best = (0.0, ",");
    for delimiter in USUAL {
        let byte = delimiter.as_bytes().first().copied();
        if [dialect.quote, dialect.escape, dialect.comment].contains(&byte) {
            continue;
        }
        let score = Survey::of(dialect, delimiter, head, ended).score();
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// What is left of a text behind so many lines.
pub(super) fn after_lines(text: &str, lines: usize) -> &str {
    let mut rest = text;
    for _ in 0..lines {
        match line_end(rest.as_bytes(), 0, true) {
            Some(line) => rest = &rest[line.length..],
            None => return "",
        }
    }
    rest
}

fn head(text: &str, whole: bool) -> (&str, bool) {
    if text.len() <= HEAD {
        return (text, whole);
    }
    let mut end = HEAD;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], false)
}

/// `sep=;`, with which spreadsheets name the delimiter of what follows.
fn separator_line(text: &str) -> Option<&'static str> {
    let line = line_end(text.as_bytes(), 0, true)?;
    let line = text[..line.content].trim_matches('"');
    let key = line
        .get(..4)
        .filter(|key| key.eq_ignore_ascii_case("sep="))?;
    let named = &line[key.len()..];
    DELIMITERS.into_iter().find(|delimiter| *delimiter == named)
}

fn candidates(text: &str) -> Vec<&'static str> {
    let count = |delimiter: &str| text.matches(delimiter).count();
    // Bars that come in pairs are one delimiter.
    let pairs = count("||") > 0 && count("||") * 2 == count("|");
    let fits = |delimiter: &&str| count(delimiter) > 0 && !(pairs && *delimiter == "|");
    DELIMITERS.into_iter().filter(fits).collect()
}

/// Quotes with their escapes, the likelier first.
fn quotings(text: &str) -> Vec<(Option<u8>, Option<u8>)> {
    let mut quotings = vec![(Some(b'"'), Some(b'"'))];
    if text.contains("\\\"") {
        quotings.push((Some(b'"'), Some(b'\\')));
    }
    if text.contains('"') {
        quotings.push((None, None));
    }
    if text.contains('\'') {
        quotings.push((Some(b'\''), Some(b'\'')));
    }
    quotings
}

/// A delimiter for a file of one column: one that it does not have.
fn absent(text: &str) -> &'static str {
    let is_absent = |delimiter: &&str| !text.contains(*delimiter);
    DELIMITERS.into_iter().find(is_absent).unwrap_or(",")
}
