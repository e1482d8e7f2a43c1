//! From bytes to rows: the synchronous heart of the processor.
//!
//! Bytes of the decompressed stream go in, [`Chunk`]s come out. Nothing here
//! waits for a network or a database, so all of it is tested with literals.
//!
//! ```text
//! input ── bytes that are not used up, and their place; in UTF-8 (transcode)
//!   cut ── where a record ends: csv (RFC 4180), line
//!     csv, json, fixed ── its fields, members or positions; which column each fills (header, layout)
//!       value ── from a field's text to the canonical text of the column's type
//! ```

mod chunk;
mod csv;
mod cut;
pub mod detect;
mod entry;
mod fault;
mod fit;
mod fixed;
mod given_back;
mod header;
mod input;
mod json;
mod layout;
mod making;
mod plan;
mod reader;
mod sniff;
mod state;
mod sum;
mod team;
mod text;
mod totals;
mod trailer;
mod transcode;
mod value;

use std::ops::Range;
use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, ErrorCode, Failure};

use cut::{Cut, Extent};
use entry::Current;
use fault::{Fault, open_quote, stray_quote, too_long};
use input::Input;
use making::Making;
use reader::{Reader, Taken};
use state::State;
use totals::Totals;
use trailer::{Ahead, Trailer};

pub use chunk::{Chunk, ChunkTarget, Spare};
pub use entry::{Entry, EntryPlace};
pub use given_back::{GivenBack, NotGivenBack};
pub use plan::{Plan, PlanError};
pub use team::{Decoded, Segment, Step, Team};

/// The column that a reject names, as a place in the plan.
type Guilty = Option<usize>;

/// The file as a whole cannot be read: its arrival fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The word that scripts compare.
    pub code: ErrorCode,
    /// What a person reads; it holds no record's contents.
    pub message: String,
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self {
            code: Some(error.code),
            message: error.message,
        }
    }
}

/// Bytes in, chunks out: [`Decoder::push`] a piece of the stream, then
/// [`Decoder::take`] until nothing comes; after the last piece [`Decoder::end`],
/// and take what is left.
///
/// The entries of an archive are such streams, one after the other: each begins with
/// [`Decoder::enter`] and ends with [`Decoder::leave`], after which there is to take
/// as well.
///
/// The chunks are the same however the stream is cut into pieces (but for
/// `bytes_read`), and a decoder that goes on from the end of any chunk gives
/// the same as the one that did not stop there.
pub struct Decoder {
    plan: Arc<Plan>,
    target: ChunkTarget,
    input: Input,
    begin: Begin,
    reader: Reader,
    trailer: Option<Trailer>,
    totals: Option<Totals>,
    /// The rest of a line is being passed over.
    skipping: bool,
    records: u64,
    bytes_read: u64,
    making: Making,
    done: bool,
    /// What the object's key fills, for the reader of the next entry.
    captured: Vec<Option<Vec<u8>>>,
    /// In an archive: the entry.
    entry: Option<Current>,
    /// Rows of an entry before may be in the making, with other columns.
    may_differ: bool,
    /// Nothing comes after this file or entry.
    over: bool,
}

/// What stands before the first record.
enum Begin {
    /// So many lines.
    Lines(u64),
    /// Nothing any more.
    Done,
}

impl Decoder {
    /// Begins, or goes on where a checkpoint of the same content ends: then the
    /// first byte pushed must be the one at `from.offset`.
    pub fn new(
        plan: Arc<Plan>,
        captures: &Captures,
        from: &Checkpoint,
        target: ChunkTarget,
    ) -> Result<Self, DecodeError> {
        let state = State::read(from)?;
        let resumed = state.is_some();
        let mut state = state.unwrap_or_else(State::start);
        let totals = Totals::new(&plan.totals, state.totals.take())?;
        let captured = layout::captured(&plan, captures)?;
        let entry = state.entry.take().map(Current::of_checkpoint);
        let input = match resumed {
            true => Input::resume(&plan, from.offset, &state)?,
            false => Input::new(&plan),
        };
        let reader = Reader::new(&plan, captured.clone(), state)?;
        let begin = match resumed {
            true => Begin::Done,
            false => Begin::Lines(reader.skip_lines()),
        };
        Ok(Self {
            target,
            input,
            begin,
            trailer: reader.trailer(&plan),
            totals,
            skipping: false,
            records: from.records,
            bytes_read: from.bytes_read,
            making: Making::new(from.offset, reader.columns()),
            done: false,
            captured,
            entry,
            may_differ: false,
            over: false,
            reader,
            plan,
        })
    }

    /// What makes a chunk full from now on, and memory for the next one.
    pub fn set_target(&mut self, target: ChunkTarget, spare: Spare) {
        self.target = target;
        self.making.make_room(target, spare);
    }

    /// Takes the next bytes of the decompressed stream. `bytes_read`: bytes of
    /// the stored object that were needed for all bytes pushed so far.
    pub fn push(&mut self, bytes: &[u8], bytes_read: u64) {
        self.input.push(bytes);
        self.bytes_read = self.bytes_read.max(bytes_read);
    }

    /// Says that the stream has ended.
    pub fn end(&mut self) {
        self.over = true;
        self.input.end();
    }

    /// The next chunk that is full, or after [`Decoder::end`] what is left. The
    /// last one says so, and may be empty; nothing comes after it.
    pub fn take(&mut self) -> Result<Option<Chunk>, DecodeError> {
        let taken = self.take_next();
        taken.map_err(|error| match &self.entry {
            Some(entry) => DecodeError {
                message: chunk::in_entry(&error.message, entry.name()),
                ..error
            },
            None => error,
        })
    }

    fn take_next(&mut self) -> Result<Option<Chunk>, DecodeError> {
        if self.done {
            return Ok(None);
        }
        while self.pass_over()? {
            if self.making.is_full(self.target) {
                return Ok(Some(self.seal()));
            }
            let cut = self.reader.cut(self.input.rest(), self.input.ended());
            if !self.reader.is_in_lines() && self.input.encoding().is_some() {
                return Err(array_in_other_text());
            }
            match cut {
                Cut::More => break,
                Cut::Blank(line) => self.input.advance(line),
                Cut::Comment => self.skipping = true,
                Cut::Record(extent) => {
                    if !self.record(extent)? {
                        return Ok(Some(self.seal()));
                    }
                }
                Cut::OpenQuote(line) => self.reject(line, open_quote())?,
                Cut::StrayQuote(line) => self.reject(line, stray_quote())?,
                Cut::TooLong(beginning) => {
                    self.reject(beginning, too_long(self.plan.max_record))?;
                    self.skipping = self.reader.is_in_lines();
                }
            }
        }
        if !self.input.ended() {
            return Ok(None);
        }
        self.reader.check_end()?;
        self.input.finish();
        if let (Some(totals), Some(like)) = (&self.totals, self.plan.format.trailer()) {
            let records = match &self.entry {
                Some(entry) => entry.own(self.records),
                None => self.records,
            };
            totals.compare(records, like)?;
        }
        if !self.over {
            return Ok(None);
        }
        self.done = true;
        let mut chunk = self.seal();
        chunk.last = true;
        Ok(Some(chunk))
    }

    /// Header names that no column takes, for one line in the log; at most a
    /// hundred. Empty until the header was read, and after a resume.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        self.reader.ignored()
    }

    /// Passes over what stands before the first record, and the rest of a line
    /// that is skipped; false: more bytes are needed.
    fn pass_over(&mut self) -> Result<bool, DecodeError> {
        if !self.input.begin()? {
            return Ok(false);
        }
        while let Begin::Lines(left @ 1..) = self.begin {
            if !self.input.skip_line() {
                return Ok(false);
            }
            self.begin = Begin::Lines(left - 1);
        }
        if let Begin::Lines(_) = self.begin {
            let (rest, ended) = (self.input.rest(), self.input.ended());
            if !self.reader.look(&self.plan, rest, ended) {
                return Ok(false);
            }
            self.begin = Begin::Done;
        }
        if self.skipping && !self.input.skip_line() {
            return Ok(false);
        }
        self.skipping = false;
        Ok(self.pass_over_trailer())
    }

    /// Passes over lines that are no records; false: more bytes are needed to say
    /// whether there is one.
    fn pass_over_trailer(&mut self) -> bool {
        let Some(trailer) = &self.trailer else {
            return true;
        };
        loop {
            match trailer.look(self.input.rest(), self.input.ended()) {
                Ahead::Record => return true,
                Ahead::More => return false,
                Ahead::Line(line, places) => {
                    if !state_totals(&mut self.totals, self.input.rest(), places) {
                        return true;
                    }
                    self.input.advance(line);
                }
                Ahead::End => {
                    while !self.input.rest().is_empty() {
                        if let Some(places) = trailer.last_line(self.input.rest()) {
                            state_totals(&mut self.totals, self.input.rest(), places);
                        }
                        self.input.skip_line();
                    }
                    return true;
                }
            }
        }
    }

    /// Makes the record at the front a row, a reject or the header; false: it
    /// stays there, because its rows belong into another chunk.
    fn record(&mut self, extent: Extent) -> Result<bool, DecodeError> {
        let record = &self.input.rest()[..extent.length];
        let content = &record[..extent.content];
        let text = match self.input.flaw(extent.content) {
            Some(flaw) => Err(flaw),
            None => Ok(content),
        };
        if self.may_differ && !self.reader.expects_header() {
            let differs = match text {
                Ok(text) => self
                    .reader
                    .takes_others(&self.plan, text, self.making.columns())?,
                Err(_) => None,
            };
            match differs {
                Some(true) => return Ok(false),
                Some(false) => self.may_differ = false,
                None => {}
            }
        }
        match self.reader.take(&self.plan, text, self.making.rows())? {
            Taken::Columns => {
                let none_yet = self.making.rows().is_empty();
                if none_yet {
                    self.making.set_columns(self.reader.columns());
                }
                return Ok(none_yet);
            }
            Taken::Header => {
                if self.making.rows().is_empty() {
                    self.making.set_columns(self.reader.columns());
                }
                self.input.advance(extent);
                return Ok(true);
            }
            Taken::Nothing => {}
            Taken::Row => {
                self.records += 1;
                let place = self.input.place(self.records, extent.length);
                self.making.complete(place, record);
                if let Some(totals) = &mut self.totals {
                    totals.add(self.making.columns(), self.making.complete_rows())?;
                }
            }
            Taken::Reject(guilty, fault) => {
                self.records += 1;
                let place = self.input.place(self.records, extent.length);
                let column = guilty.map(|column| self.plan.columns[column].name.clone());
                self.making.reject(place, column, fault, content);
            }
        }
        self.input.advance(extent);
        Ok(true)
    }

    /// Rejects what cannot be read as a record: the line at the front.
    fn reject(&mut self, extent: Extent, fault: Fault) -> Result<(), DecodeError> {
        if self.reader.expects_header() {
            let line = self.input.line();
            let why = format!("the header in line {line} cannot be read: {}", fault.reason);
            return Err(header::refused(why));
        }
        self.records += 1;
        let place = self.input.place(self.records, extent.length);
        let content = &self.input.rest()[..extent.content];
        self.making.reject(place, None, fault, content);
        self.input.advance(extent);
        Ok(())
    }

    fn state(&self) -> State {
        let mut state = State {
            line: self.input.line(),
            encoding: self.input.encoding(),
            totals: self.totals.as_ref().map(Totals::keep),
            ..self.reader.state(&self.plan)
        };
        state.entry = self.entry.as_ref().map(|entry| entry.keep(&state));
        state
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            records: self.records,
            offset: self.input.offset(),
            bytes_read: self.bytes_read,
            state: Some(self.state().write()),
        }
    }

    fn seal(&mut self) -> Chunk {
        let end = self.checkpoint();
        self.may_differ = false;
        let (start, columns) = (self.input.offset(), self.reader.columns());
        let next = self.making.next(start, columns);
        std::mem::replace(&mut self.making, next).into_chunk(end)
    }
}

/// Whether it is one sound value of JSON.
pub(crate) fn is_json(text: &[u8]) -> bool {
    json::document::write(text, &mut Vec::new()).is_ok()
}

/// Takes the totals that stand at these places; false: they are no numbers, and the line
/// is no trailer.
fn state_totals(totals: &mut Option<Totals>, rest: &[u8], places: Vec<Range<usize>>) -> bool {
    let texts: Vec<&[u8]> = places.into_iter().map(|place| &rest[place]).collect();
    totals.as_mut().is_none_or(|totals| totals.state(&texts))
}

/// Of text that is put into UTF-8 only the places of lines are known.
fn array_in_other_text() -> DecodeError {
    DecodeError {
        code: ErrorCode::Unsupported,
        message:
            "it is a JSON array, which is read in UTF-8 only, and with invalid_bytes = \"reject\"; \
                  deliver it so, or as JSON Lines"
                .to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
