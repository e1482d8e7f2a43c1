//! One stream decoded by several at a time.
//!
//! While one decoder works alone, each record is read where it is cut. A team cuts ahead: it
//! only looks where records end, gives off [`Segment`]s of many of them, and whoever is free
//! decodes one as if everything before it had been read. That is a guess, for a record may
//! change how those behind it are read: it names another column, or turns out to be none. So
//! segments land in the stream's order, and one counts only if it began just as the one before
//! it ended. From where a guess was wrong one decoder goes on alone, for a chunk.

use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, Rows};

use super::chunk::{Chunk, ChunkTarget, Source, Spare};
use super::cut::Cut;
use super::entry::Entry;
use super::making::Held;
use super::plan::Plan;
use super::{Begin, DecodeError, Decoder};

/// So many wrong guesses are free, and one for each time that so many were right: then a file
/// is decoded alone.
const FREE: u64 = 16;

/// Decodes a stream, alone or with helpers: bytes in, chunks out, as [`Decoder`] does.
pub struct Team {
    plan: Arc<Plan>,
    captures: Arc<Captures>,
    decoder: Decoder,
    /// Nothing while it decodes alone.
    ahead: Option<Ahead>,
    /// Where the chunk ends that was taken last, if nothing behind it was read.
    edge: Option<Checkpoint>,
    has_helpers: bool,
    surprises: u64,
    landed: u64,
    ended: bool,
    ignored: Vec<String>,
}

/// What is cut ahead of those who decode.
struct Ahead {
    /// How far the stream is decoded.
    at: Checkpoint,
    /// Where the segment begins that is being cut.
    start: Checkpoint,
    /// Room for its rows.
    rows: Rows,
    /// Segments that have not landed.
    out: usize,
    /// What comes behind `at`, of segments that were not what they were taken for.
    rest: Vec<u8>,
    /// In the segment that is being cut, no quote is left open, as far as was looked.
    closed: bool,
    /// No more is cut: when all have landed, one goes on alone.
    over: bool,
}

/// What a team has to have, or gives.
#[derive(Debug)]
pub enum Step {
    /// More bytes, or the stream's end.
    More,
    /// A segment has to land before it can go on.
    Land,
    /// To be decoded by somebody, and to land. Then a target is to be set.
    Segment(Box<Segment>),
    /// Then a target is to be set, unless it is the last one.
    Chunk(Box<Chunk>),
}

/// Records that follow each other in the stream, to be decoded by themselves.
#[derive(Debug)]
pub struct Segment {
    plan: Arc<Plan>,
    captures: Arc<Captures>,
    target: ChunkTarget,
    start: Checkpoint,
    bytes: Vec<u8>,
    bytes_read: u64,
    /// What comes behind it says nothing of it.
    closed: bool,
    rows: Rows,
}

/// A segment that was decoded.
#[derive(Debug)]
pub struct Decoded {
    start: Checkpoint,
    bytes: Vec<u8>,
    chunk: Result<Chunk, DecodeError>,
    held: Held,
}

impl Team {
    /// As [`Decoder::new`].
    pub fn new(
        plan: Arc<Plan>,
        captures: Captures,
        from: &Checkpoint,
        target: ChunkTarget,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            decoder: Decoder::new(Arc::clone(&plan), &captures, from, target)?,
            plan,
            captures: Arc::new(captures),
            ahead: None,
            edge: None,
            has_helpers: false,
            surprises: 0,
            landed: 0,
            ended: false,
            ignored: Vec::new(),
        })
    }

    /// Whether somebody else is there to decode segments.
    pub fn set_helpers(&mut self, has_helpers: bool) {
        self.has_helpers = has_helpers;
        if let Some(ahead) = &mut self.ahead {
            ahead.over |= !has_helpers;
        }
    }

    /// As [`Decoder::set_target`].
    pub fn set_target(&mut self, target: ChunkTarget, spare: Spare) {
        match &mut self.ahead {
            Some(ahead) => {
                let room = self.decoder.making.room(aim(target), spare);
                self.decoder.target = target;
                self.decoder.input.move_to(room.raw);
                ahead.rows = room.rows;
            }
            None => self.decoder.set_target(target, spare),
        }
    }

    /// As [`Decoder::push`].
    pub fn push(&mut self, bytes: &[u8], bytes_read: u64) {
        let decoder = &mut self.decoder;
        if self.ahead.is_none() {
            return decoder.push(bytes, bytes_read);
        }
        decoder.input.append(bytes);
        decoder.bytes_read = decoder.bytes_read.max(bytes_read);
    }

    /// As [`Decoder::enter`]. An archive is decoded alone.
    pub fn enter(&mut self, entry: &Entry) -> Result<(), DecodeError> {
        self.decoder.enter(entry)
    }

    /// As [`Decoder::leave`].
    pub fn leave(&mut self) {
        self.decoder.leave();
    }

    /// As [`Decoder::end`].
    pub fn end(&mut self) {
        self.ended = true;
        match &mut self.ahead {
            Some(ahead) => ahead.over = true,
            None => self.decoder.end(),
        }
    }

    /// As [`Decoder::ignored`].
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        match self.ignored.is_empty() {
            true => self.decoder.ignored(),
            false => &self.ignored,
        }
    }

    /// Goes on as far as it can.
    pub fn step(&mut self) -> Result<Step, DecodeError> {
        loop {
            let Some(ahead) = &self.ahead else {
                if self.begin_ahead() {
                    continue;
                }
                return self.step_alone();
            };
            if ahead.over && ahead.out > 0 {
                return Ok(Step::Land);
            }
            if ahead.over {
                self.go_on_alone()?;
                continue;
            }
            match self.cut_ahead() {
                Cutting::More => return Ok(Step::More),
                Cutting::Enough => return Ok(Step::Segment(Box::new(self.cut_off()))),
                Cutting::Stuck => self.be_surprised(),
            }
        }
    }

    fn step_alone(&mut self) -> Result<Step, DecodeError> {
        let chunk = self.decoder.take()?;
        let next = chunk.as_ref().filter(|chunk| !chunk.last);
        self.edge = next.map(|chunk| chunk.end.clone());
        Ok(chunk.map_or(Step::More, |chunk| Step::Chunk(Box::new(chunk))))
    }

    /// Takes the segment that was given off first, of those that have not landed. Nothing:
    /// it was not what it was taken for, and comes again.
    pub fn land(&mut self, decoded: Decoded) -> Result<Option<Chunk>, DecodeError> {
        let ahead = self.ahead.as_mut().expect("a segment is out");
        ahead.out -= 1;
        let Decoded {
            start,
            bytes,
            chunk,
            held,
        } = decoded;
        let begins = (start.records, start.offset, &start.state)
            == (ahead.at.records, ahead.at.offset, &ahead.at.state);
        let mut chunk = match ahead.rest.is_empty() && begins {
            true => Some(chunk?).filter(|chunk| chunk.records() > 0),
            false => None,
        };
        let mut used = 0;
        if let Some(chunk) = &mut chunk {
            self.landed += 1;
            ahead.at = chunk.end.clone();
            self.decoder.making.comes_behind(held);
            used = (chunk.end.offset - start.offset) as usize;
        }
        ahead.rest.extend_from_slice(&bytes[used..]);
        if let Some(chunk) = &mut chunk {
            chunk.source = Source::Stream(bytes);
        }
        if !ahead.rest.is_empty() {
            self.be_surprised();
        }
        Ok(chunk)
    }

    /// Begins to cut ahead, where that can be done.
    fn begin_ahead(&mut self) -> bool {
        let is_as_it_seems = self.surprises < FREE + self.landed / FREE;
        let may = self.has_helpers && is_as_it_seems && !self.ended;
        let Some(at) = self.edge.take_if(|_| may && self.decoder.may_cut_ahead()) else {
            return false;
        };
        let Spare { rows, raw } = self.decoder.making.take_room();
        self.decoder.input.forget();
        self.decoder.input.move_to(raw);
        self.ahead = Some(Ahead {
            start: at.clone(),
            at,
            rows,
            out: 0,
            rest: Vec::new(),
            closed: true,
            over: false,
        });
        true
    }

    /// Passes over whole records, until they are enough for a segment.
    fn cut_ahead(&mut self) -> Cutting {
        let ahead = self.ahead.as_mut().expect("it is cut ahead");
        let decoder = &mut self.decoder;
        let target = decoder.target;
        let most = ahead.start.records.saturating_add(target.records);
        // What is passed over weighs nothing in a chunk, but does here.
        let aim = aim(target).bytes;
        let length = decoder.making.before().stream_for(aim).min(aim);
        loop {
            let passed = !decoder.skipping || decoder.input.skip_line();
            let used = decoder.input.used();
            let has_some = decoder.records > ahead.start.records;
            if used > length && !(passed && has_some) {
                return Cutting::Stuck;
            }
            if !passed {
                return Cutting::More;
            }
            decoder.skipping = false;
            if has_some && (used >= length || decoder.records >= most) {
                return Cutting::Enough;
            }
            match decoder.reader.cut(decoder.input.rest(), false) {
                Cut::More => return Cutting::More,
                Cut::Blank(blank) => decoder.input.advance(blank),
                Cut::Comment => decoder.skipping = true,
                cut @ (Cut::Record(extent) | Cut::OpenQuote(extent) | Cut::StrayQuote(extent))
                    if extent.length <= target.bytes =>
                {
                    ahead.closed &= matches!(cut, Cut::Record(_));
                    decoder.records += 1;
                    decoder.input.advance(extent);
                }
                _ => return Cutting::Stuck,
            }
        }
    }

    /// The segment that was cut.
    fn cut_off(&mut self) -> Segment {
        let next = self.decoder.checkpoint();
        let ahead = self.ahead.as_mut().expect("it is cut ahead");
        ahead.out += 1;
        Segment {
            plan: Arc::clone(&self.plan),
            captures: Arc::clone(&self.captures),
            target: self.decoder.target,
            start: std::mem::replace(&mut ahead.start, next),
            bytes: self.decoder.input.split_used(),
            bytes_read: self.decoder.bytes_read,
            closed: std::mem::replace(&mut ahead.closed, true),
            rows: std::mem::take(&mut ahead.rows),
        }
    }

    fn be_surprised(&mut self) {
        if let Some(ahead) = &mut self.ahead
            && !std::mem::replace(&mut ahead.over, true)
        {
            self.surprises += 1;
        }
    }

    /// Everything has landed: goes on from there, with what is left.
    fn go_on_alone(&mut self) -> Result<(), DecodeError> {
        let Some(ahead) = self.ahead.take() else {
            return Ok(());
        };
        let plan = Arc::clone(&self.plan);
        let target = self.decoder.target;
        let alone = Decoder::new(plan, &self.captures, &ahead.at, target)?;
        let before = std::mem::replace(&mut self.decoder, alone);
        if self.ignored.is_empty() {
            self.ignored = before.ignored().to_vec();
        }
        let mut rest = ahead.rest;
        self.decoder.making.comes_behind(before.making.before());
        self.decoder.bytes_read = before.bytes_read;
        rest.extend_from_slice(&before.input.into_bytes());
        self.decoder.input.begin_with(rest);
        let raw = Vec::new();
        let rows = ahead.rows;
        self.decoder.set_target(target, Spare { rows, raw });
        if self.ended {
            self.decoder.end();
        }
        Ok(())
    }
}

/// How far it was cut ahead.
enum Cutting {
    /// As far as there are bytes.
    More,
    /// As far as a segment is to reach.
    Enough,
    /// To what one has to pass over alone, for its size.
    Stuck,
}

/// What a segment should make: what is cut by its length weighs now more, now less, and what
/// weighs more than the target is not decoded to its end.
fn aim(target: ChunkTarget) -> ChunkTarget {
    ChunkTarget {
        bytes: target.bytes - target.bytes / 8,
        ..target
    }
}

impl Segment {
    /// Decodes it: as much of it as makes one chunk.
    #[must_use]
    pub fn decode(self) -> Decoded {
        let Self { start, bytes, .. } = self;
        let decoder = Decoder::new(self.plan, &self.captures, &start, self.target);
        let mut decoder = match decoder {
            Ok(decoder) => decoder,
            Err(error) => {
                let (chunk, held) = (Err(error), Held::default());
                return Decoded {
                    start,
                    bytes,
                    chunk,
                    held,
                };
            }
        };
        decoder.input.begin_with(bytes);
        decoder.bytes_read = self.bytes_read;
        decoder.making.begin_in(self.rows);
        if self.closed {
            decoder.input.end();
        }
        let chunk = decoder.take();
        let chunk = chunk.map(|chunk| chunk.unwrap_or_else(|| decoder.seal()));
        Decoded {
            start,
            held: decoder.making.before(),
            bytes: decoder.input.into_bytes(),
            chunk,
        }
    }
}

impl Decoder {
    /// Whether where a record ends says all that those behind it need, as far as is known.
    fn may_cut_ahead(&self) -> bool {
        matches!(self.begin, Begin::Done)
            && self.entry.is_none()
            && self.trailer.is_none()
            && self.totals.is_none()
            && self.input.is_as_it_stands()
            && self.reader.is_in_lines()
            && !self.reader.expects_header()
    }
}
