use arrivage_model::Csv;

use crate::decode::cut::{CsvCutter, Cut, Field, Quoting, line_end};

/// How a text looks when it is cut in one dialect.
pub(super) struct Survey {
    records: Vec<Seen>,
    /// Fields of most records; more fields where as many have them.
    pub(super) width: usize,
    /// Records that are read in another way than their author meant.
    broken: usize,
    /// Lines before the first of them.
    first_broken: Option<u64>,
    /// Fields between quotes.
    quoted: usize,
    /// Fields that are not the first of their record, and those of them that
    /// begin with a blank.
    pub(super) inner: usize,
    pub(super) blank_led: usize,
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
    pub(super) fn of(dialect: &Csv, delimiter: &str, text: &str, ended: bool) -> Self {
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
    pub(super) fn has_no_quotes(&self) -> bool {
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
    pub(super) fn score(&self) -> f64 {
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
    pub(super) fn has_comments(&self, text: &str) -> bool {
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
    pub(super) fn first(&self) -> (u64, u64) {
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
    pub(super) fn is_often_short(&self) -> bool {
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
