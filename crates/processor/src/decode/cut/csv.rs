use arrivage_model::Csv;
use memchr::{memchr, memchr_iter, memchr2};

use super::find::find;
use super::line::line_end;
use super::{Cut, Extent};

/// A field of a record, as a range of the record's bytes without the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Field {
    pub(in crate::decode) start: u32,
    pub(in crate::decode) end: u32,
    pub(in crate::decode) quoting: Quoting,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Quoting {
    /// Without quotes.
    None,
    /// Between quotes; its bytes are its text.
    Plain,
    /// Between quotes; escapes in it are still to be resolved.
    Escaped,
}

/// Cuts separated values into records and their fields, after RFC 4180 and in
/// the dialect given.
///
/// A quote opens a quoted field only at the field's beginning; elsewhere in an
/// unquoted field it is text. After the closing quote only the delimiter or the
/// end of the record may follow (and blanks, if they are trimmed): anything
/// else means that a quote is not closed, or that one inside is not doubled.
pub(in crate::decode) struct CsvCutter {
    /// The first byte of the delimiter, and those behind it.
    delimiter: u8,
    delimiter_rest: Box<[u8]>,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    trim: bool,
    max_record: usize,
    state: State,
    /// Bytes of the record that were looked at.
    at: usize,
    /// The field in the making.
    start: usize,
    end: usize,
    quoting: Quoting,
    fields: Vec<Field>,
    /// Fields beyond these are counted, not kept.
    keep: usize,
    count: usize,
    quoted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a field.
    Begin,
    /// In an unquoted field.
    Unquoted,
    /// In a quoted field.
    Quoted,
    /// After a quote in a quoted field.
    Quote,
    /// In blanks after a closing quote.
    Closed,
    /// Text follows a closing quote: the first line's end is looked for.
    Stray,
}

/// What a cutter moved to.
enum To {
    RecordEnd,
    Field,
    WindowEnd,
}

impl CsvCutter {
    /// `delimiter`: the dialect's, or what was found for it; not empty.
    pub(in crate::decode) fn new(dialect: &Csv, delimiter: &str, max_record: usize) -> Self {
        let (first, rest) = delimiter
            .as_bytes()
            .split_first()
            .expect("a delimiter is not empty");
        let escape = dialect
            .escape
            .filter(|escape| Some(*escape) != dialect.quote);
        Self {
            delimiter: *first,
            delimiter_rest: rest.into(),
            quote: dialect.quote,
            escape,
            comment: dialect.comment,
            trim: dialect.trim,
            max_record,
            state: State::Begin,
            at: 0,
            start: 0,
            end: 0,
            quoting: Quoting::None,
            fields: Vec::new(),
            keep: usize::MAX,
            count: 0,
            quoted: false,
        }
    }

    /// Keeps only so many fields of each record from now on.
    pub(in crate::decode) fn keep(&mut self, fields: usize) {
        self.keep = fields;
        self.fields.clear();
        self.fields.shrink_to(fields);
    }

    /// The fields of the record that was cut last.
    pub(in crate::decode) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many fields it has, kept or not.
    pub(in crate::decode) fn count(&self) -> usize {
        self.count
    }

    /// What stands at the beginning of `bytes`, which may only grow until the
    /// answer is another than [`Cut::More`].
    pub(in crate::decode) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        if self.at == 0 {
            if bytes.is_empty() {
                return Cut::More;
            }
            self.fields.clear();
            self.count = 0;
            self.quoted = false;
            if self.comment == Some(bytes[0]) {
                return Cut::Comment;
            }
        }
        let cut = self.scan(bytes, ended);
        if cut != Cut::More {
            self.at = 0;
            self.start = 0;
            self.quoting = Quoting::None;
            self.state = State::Begin;
        }
        cut
    }

    fn scan(&mut self, bytes: &[u8], ended: bool) -> Cut {
        // A record may be as long as `max_record`; its line end follows it.
        let window = &bytes[..bytes.len().min(self.max_record + 1)];
        while let Some(&byte) = window.get(self.at) {
            match self.state {
                State::Begin if Some(byte) == self.quote => {
                    self.state = State::Quoted;
                    self.quoting = Quoting::Plain;
                    self.quoted = true;
                    self.at += 1;
                    self.start = self.at;
                }
                State::Begin if self.is_blank(byte) => self.at += 1,
                State::Begin | State::Unquoted => match self.unquoted(window, ended) {
                    To::RecordEnd => return self.end_of_record(bytes, ended),
                    To::Field => {}
                    To::WindowEnd => break,
                },
                State::Quoted => {
                    if !self.go_on_in_quotes(window) {
                        break;
                    }
                }
                State::Quote if Some(byte) == self.quote => {
                    self.state = State::Quoted;
                    self.quoting = Quoting::Escaped;
                    self.at += 1;
                }
                State::Quote | State::Closed if byte == self.delimiter => {
                    match self.is_delimiter(window, ended) {
                        Some(true) => self.end_of_field(),
                        Some(false) => self.begin_stray(),
                        None => break,
                    }
                }
                State::Quote | State::Closed if matches!(byte, b'\n' | b'\r') => {
                    return self.end_of_record(bytes, ended);
                }
                State::Quote | State::Closed if self.is_blank(byte) => {
                    self.state = State::Closed;
                    self.at += 1;
                }
                State::Quote | State::Closed => self.begin_stray(),
                State::Stray => return self.stray(bytes, ended),
            }
        }
        self.out_of_bytes(bytes, ended)
    }

    /// Moves over unquoted fields: to the end of the record, to a field that may
    /// be quoted, or as far as can be said.
    fn unquoted(&mut self, window: &[u8], ended: bool) -> To {
        let special = [self.delimiter, b'\n', b'\r'];
        loop {
            self.state = State::Unquoted;
            let Some(found) = find(special, window, self.at) else {
                self.at = window.len();
                return To::WindowEnd;
            };
            self.at = found;
            if window[found] != self.delimiter {
                self.end = found;
                return To::RecordEnd;
            }
            match self.is_delimiter(window, ended) {
                Some(true) => {}
                Some(false) => {
                    self.at += 1;
                    continue;
                }
                None => return To::WindowEnd,
            }
            self.end = found;
            self.end_of_field();
            let next = window.get(self.at).copied();
            if next.is_none() || next == self.quote || self.trim {
                return To::Field;
            }
        }
    }

    /// Whether the delimiter, whose first byte stands here, stands here. Nothing:
    /// more bytes are needed to say.
    #[inline]
    fn is_delimiter(&self, window: &[u8], ended: bool) -> Option<bool> {
        if self.delimiter_rest.is_empty() {
            return Some(true);
        }
        let behind = &window[self.at + 1..];
        let undecided = !ended
            && behind.len() < self.delimiter_rest.len()
            && self.delimiter_rest.starts_with(behind);
        (!undecided).then(|| behind.starts_with(&self.delimiter_rest))
    }

    fn begin_stray(&mut self) {
        self.state = State::Stray;
        self.end = 0;
    }

    /// Moves to the next quote or over the next escape; false: more bytes are
    /// needed.
    fn go_on_in_quotes(&mut self, window: &[u8]) -> bool {
        let rest = &window[self.at..];
        let quote = self.quote.unwrap_or(b'"');
        let found = match self.escape {
            Some(escape) => memchr2(quote, escape, rest),
            None => memchr(quote, rest),
        };
        let Some(found) = found else {
            self.at = window.len();
            return false;
        };
        self.at += found;
        if window[self.at] == quote {
            self.state = State::Quote;
            self.end = self.at;
            self.at += 1;
            return true;
        }
        // An escape stands for itself unless a quote or an escape follows.
        let Some(&next) = window.get(self.at + 1) else {
            return false;
        };
        self.at += 1;
        if next == quote || Some(next) == self.escape {
            self.quoting = Quoting::Escaped;
            self.at += 1;
        }
        true
    }

    fn end_of_field(&mut self) {
        self.push_field();
        self.at += 1 + self.delimiter_rest.len();
        self.start = self.at;
        self.quoting = Quoting::None;
        self.state = State::Begin;
    }

    fn push_field(&mut self) {
        self.count += 1;
        if self.fields.len() < self.keep {
            self.fields.push(Field {
                start: self.start as u32,
                end: self.end as u32,
                quoting: self.quoting,
            });
        }
    }

    /// At a line end outside quotes, or at the end of the stream.
    fn end_of_record(&mut self, bytes: &[u8], ended: bool) -> Cut {
        let Some(line) = line_end(bytes, self.at, ended) else {
            return Cut::More;
        };
        self.push_field();
        let content = &bytes[..line.content];
        let blank = |byte: &u8| self.is_blank(*byte);
        if self.count == 1 && content.iter().all(blank) {
            return Cut::Blank(line);
        }
        let inside = if self.quoted { line_ends(content) } else { 0 };
        Cut::Record(Extent {
            lines: line.lines + inside,
            ..line
        })
    }

    fn stray(&mut self, bytes: &[u8], ended: bool) -> Cut {
        let found = line_end(bytes, self.end, ended);
        let without_cr = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let content = found.map_or(without_cr.len(), |line| line.content);
        if content > self.max_record {
            return self.too_long(bytes);
        }
        self.end = content;
        found.map_or(Cut::More, Cut::StrayQuote)
    }

    /// Every byte of the window was looked at, and the record has not ended.
    fn out_of_bytes(&mut self, bytes: &[u8], ended: bool) -> Cut {
        let full = bytes.len() > self.max_record;
        if !full && !ended {
            return Cut::More;
        }
        if self.state == State::Quoted {
            let first = line_end(bytes, 0, ended);
            let cr_last = bytes.len() == self.max_record + 1 && bytes.ends_with(b"\r");
            return match first {
                Some(line) if line.content <= self.max_record => Cut::OpenQuote(line),
                None if cr_last => Cut::More,
                _ => self.too_long(bytes),
            };
        }
        if full {
            return self.too_long(bytes);
        }
        if !matches!(self.state, State::Quote | State::Closed) {
            self.end = self.at;
        }
        self.end_of_record(bytes, ended)
    }

    /// The record goes on after all that was looked at, which does not end
    /// within quotes or between a CR and its LF.
    fn too_long(&self, bytes: &[u8]) -> Cut {
        let content = &bytes[..self.max_record];
        Cut::TooLong(Extent {
            content: content.len(),
            length: content.len(),
            lines: if self.quoted { line_ends(content) } else { 0 },
        })
    }

    fn is_blank(&self, byte: u8) -> bool {
        self.trim && matches!(byte, b' ' | b'\t') && byte != self.delimiter
    }
}

/// Line ends in a record, all of them between quotes.
fn line_ends(content: &[u8]) -> u64 {
    if memchr2(b'\n', b'\r', content).is_none() {
        return 0;
    }
    let line_feeds = memchr_iter(b'\n', content).count();
    let alone = |at: &usize| content.get(at + 1) != Some(&b'\n');
    let carriage_returns = memchr_iter(b'\r', content).filter(alone).count();
    (line_feeds + carriage_returns) as u64
}
