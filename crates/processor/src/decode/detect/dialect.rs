use arrivage_model::{Csv, Delimiter, Ragged};

use super::heading::first_record;

use crate::decode::cut::{CsvCutter, Cut, Field, Quoting, line_end};

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

/// How a text looks when it is cut in one dialect.
struct Survey {
    records: Vec<Seen>,
    /// Fields of most records; more fields where as many have them.
    width: usize,
    /// Records that are read in another way than their author meant.
    broken: usize,
    /// Lines before the first of them.
    first_broken: Option<u64>,
    /// Fields between quotes.
    quoted: usize,
    /// Fields that are not the first of their record, and those of them that
    /// begin with a blank.
    inner: usize,
    blank_led: usize,
}

#[derive(Clone, Copy)]
struct Seen {
    /// Lines before it, and up to its end.
    line: u64,
    end: u64,
    width: usize,
    /// How much its fields look like single values, from 0 to 1.
    likeness: f64,
    /// The fields at its end that are empty.
    empty_last: usize,
}

impl Survey {
    fn of(dialect: &Csv, delimiter: &str, text: &str, ended: bool) -> Self {
        let bytes = text.as_bytes();
        // What is open for longer was never meant to be quoted.
        let longest = (bytes.len() / 4).max(1024);
        let mut cutter = CsvCutter::new(dialect, delimiter, longest);
        cutter.keep(64);
        let mut survey = Self {
            records: Vec::new(),
            width: 1,
            broken: 0,
            first_broken: None,
            quoted: 0,
            inner: 0,
            blank_led: 0,
        };
        let (mut at, mut line) = (0, 0);
        loop {
            let rest = &bytes[at..];
            let passed = match cutter.cut(rest, ended) {
                Cut::More => break,
                Cut::Record(record) => {
                    let content = &rest[..record.content];
                    survey.add(
                        content,
                        cutter.fields(),
                        cutter.count(),
                        line,
                        line + record.lines,
                    );
                    record
                }
                Cut::Blank(line) => line,
                Cut::OpenQuote(extent) | Cut::StrayQuote(extent) => {
                    survey.add_broken(line);
                    extent
                }
                cut @ (Cut::Comment | Cut::TooLong(_)) => {
                    if cut != Cut::Comment {
                        survey.add_broken(line);
                    }
                    match line_end(rest, 0, ended) {
                        Some(line) => line,
                        None => break,
                    }
                }
            };
            at += passed.length;
            line += passed.lines;
        }
        survey.width = survey.usual_width();
        survey
    }

    fn add(&mut self, content: &[u8], fields: &[Field], width: usize, line: u64, end: u64) {
        let texts = fields.iter().map(|field| {
            let text = &content[field.start as usize..field.end as usize];
            (text, field.quoting != Quoting::None)
        });
        let likeness: f64 = texts
            .clone()
            .map(|(text, quoted)| likeness(text, quoted))
            .sum();
        let is_empty = |(text, _): &(&[u8], bool)| text.trim_ascii().is_empty();
        let empty_last = texts.clone().rev().take_while(is_empty).count();
        self.quoted += texts.clone().filter(|(_, quoted)| *quoted).count();
        for (text, quoted) in texts.skip(1) {
            self.inner += 1;
            self.blank_led += usize::from(!quoted && matches!(text, [b' ', _, ..]));
        }
        self.records.push(Seen {
            line,
            end,
            width,
            likeness: likeness / fields.len().max(1) as f64,
            empty_last: match fields.len() == width {
                true => empty_last,
                false => 0,
            },
        });
    }

    fn add_broken(&mut self, line: u64) {
        self.broken += 1;
        self.first_broken.get_or_insert(line);
    }

    /// Whether it has more quotes that are none than others.
    fn has_no_quotes(&self) -> bool {
        self.broken > 1 && self.broken > self.quoted
    }

    fn usual_width(&self) -> usize {
        let mut counts = std::collections::BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.width).or_insert(0_usize) += 1;
        }
        let most = counts
            .into_iter()
            .max_by_key(|(width, count)| (*count, *width));
        most.map_or(1, |(width, _)| width)
    }

    /// From 0, where nothing speaks for the dialect, to 1.
    fn score(&self) -> f64 {
        if self.width < 2 {
            return 0.0;
        }
        let usual = self
            .records
            .iter()
            .filter(|record| record.width == self.width);
        let (count, likeness) = usual.fold((0_usize, 0.0), |(count, sum), record| {
            (count + 1, sum + record.likeness)
        });
        let coverage = count as f64 / (self.records.len() + self.broken) as f64;
        let fields = (self.width - 1) as f64 / self.width as f64;
        let score = coverage * fields * likeness / count.max(1) as f64;
        // Sentences have commas too, but not the same number each.
        let by_chance = match count {
            1 => self.records.len() > 2,
            2 => coverage < 0.3,
            _ => false,
        };
        match by_chance {
            true => 0.0,
            false => score,
        }
    }

    /// Lines that begin with `#` and are no records of the usual width.
    fn has_comments(&self, text: &str) -> bool {
        let usual = |number: u64| {
            let at = self.records.iter().find(|record| record.line == number);
            at.is_some_and(|record| record.width == self.width)
        };
        let marked = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with('#'));
        let mut marked = marked.map(|(number, _)| number as u64).peekable();
        marked.peek().is_some() && self.width > 1 && !marked.any(usual)
    }

    /// The lines before the first record of the table, be it the header or a row,
    /// as far as they must be skipped, and those up to its end.
    fn first(&self) -> (u64, u64) {
        let fits = |record: &Seen| {
            let named = record.width - record.empty_last.min(record.width - 1);
            record.width == self.width || (record.width > self.width && named <= self.width)
        };
        let Some(first) = self.records.iter().position(fits) else {
            return (0, 0);
        };
        // Spreadsheets fill up their titles to the width of the table.
        let is_title = |record: &Seen| record.width > 1 && record.empty_last + 1 >= record.width;
        let titles = self.records[first..]
            .iter()
            .take_while(|record| is_title(record));
        let behind = first + titles.count();
        let is_full = |record: &&Seen| record.width == self.width && record.empty_last == 0;
        let first = match self.records.get(behind).filter(is_full) {
            Some(_) => behind,
            None => first,
        };
        let Seen { line, end, .. } = self.records[first];
        // Blank lines and comments are passed over anyway.
        let broken_before = self.first_broken.is_some_and(|broken| broken < line);
        match first > 0 || broken_before {
            true => (line, end),
            false => (0, end),
        }
    }

    /// Whether so many records lack fields at their end that it is a habit.
    fn is_often_short(&self) -> bool {
        let (_, header_end) = self.first();
        let body = self
            .records
            .iter()
            .filter(|record| record.line >= header_end);
        let short = |record: &&Seen| record.width < self.width && record.width > 1;
        let (all, short) = (body.clone().count(), body.filter(short).count());
        all >= 10 && short * 10 > all
    }
}

/// How much a field looks like a single value.
fn likeness(text: &[u8], quoted: bool) -> f64 {
    let text = text.trim_ascii();
    if text.is_empty() {
        return 0.7;
    }
    let is_figure = |byte: &u8| byte.is_ascii_digit() || b"+-.,:/ TZ%".contains(byte);
    if text.iter().all(is_figure) && text.iter().any(u8::is_ascii_digit) {
        return 1.0;
    }
    if quoted {
        return 0.95;
    }
    let edges = [text[0], text[text.len() - 1]];
    if edges.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        return 0.1;
    }
    if text.iter().any(|byte| matches!(byte, b';' | b'\t' | b'|')) {
        return 0.2;
    }
    let tight = |pair: &[u8]| pair[0] == b',' && pair[1] != b' ';
    match text.contains(&b',') {
        true if text.windows(2).any(tight) => 0.4,
        true => 0.8,
        false => 0.9,
    }
}
