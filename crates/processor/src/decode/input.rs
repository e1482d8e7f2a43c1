use arrivage_model::{Encoding, ErrorCode, InvalidBytes, Place};

use super::DecodeError;
use super::cut::{Extent, line_end};
use super::plan::Plan;
use super::state::{EncodingState, State};
use super::text::{Flaw, check_text};
use super::transcode::Transcoder;

/// The text of the stream that is not used up, as UTF-8, and where it stands in
/// the stream.
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Bytes at the front that are used up.
    used: usize,
    /// The same, since the beginning.
    used_in_all: u64,
    /// Where the rest begins, in bytes of the stream; exact where a line begins.
    offset: u64,
    /// Its line; 1 is the stream's first.
    line: u64,
    ended: bool,
    text: Text,
}

/// How the bytes of the stream become text.
enum Text {
    /// That says a byte-order mark, or else this: no byte was used yet.
    Undecided(Encoding, InvalidBytes),
    /// They are UTF-8, or their record is a reject.
    AsIs,
    /// They are put into UTF-8.
    Transcoded(Box<Transcoder>),
}

/// Memory that is kept for bytes that come.
const ROOM: usize = 1 << 20;

/// Byte-order marks, the longer of two that begin alike first.
const MARKS: [(&[u8], Option<Encoding>); 5] = [
    (b"\xEF\xBB\xBF", Some(Encoding::UTF_8)),
    (b"\xFF\xFE\0\0", None),
    (b"\xFF\xFE", Some(Encoding::UTF_16LE)),
    (b"\xFE\xFF", Some(Encoding::UTF_16BE)),
    (b"\0\0\xFE\xFF", None),
];

impl Input {
    /// At the beginning of a stream.
    pub(super) fn new(plan: &Plan) -> Self {
        Self::of_entry(plan, 0)
    }

    /// At the beginning of an entry, which stands there in the stream.
    pub(super) fn of_entry(plan: &Plan, start: u64) -> Self {
        Self::with(Text::Undecided(plan.encoding, plan.invalid_bytes), start, 1)
    }

    /// Where a checkpoint ends.
    pub(super) fn resume(plan: &Plan, offset: u64, state: &State) -> Result<Self, DecodeError> {
        let text = match &state.encoding {
            None => Text::AsIs,
            Some(encoding) => {
                Text::Transcoded(Box::new(Transcoder::resume(plan, offset, encoding)?))
            }
        };
        Ok(Self::with(text, offset, state.line))
    }

    fn with(text: Text, offset: u64, line: u64) -> Self {
        Self {
            bytes: Vec::new(),
            used: 0,
            used_in_all: 0,
            offset,
            line,
            ended: false,
            text,
        }
    }

    /// Takes more bytes of the stream, and forgets those that are used up.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.forget();
        match &mut self.text {
            Text::Transcoded(transcoder) => transcoder.push(bytes, &mut self.bytes),
            Text::Undecided(..) | Text::AsIs => self.bytes.extend_from_slice(bytes),
        }
    }

    /// Begins with these bytes, which are there already.
    pub(super) fn begin_with(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// Whether the text is the bytes of the stream, as they are.
    pub(super) fn is_as_it_stands(&self) -> bool {
        matches!(self.text, Text::AsIs)
    }

    /// Takes more bytes of text that is as it stands, and keeps all.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes that are used up it has kept.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Forgets what is used up, and gives back the memory of much that was there once.
    pub(super) fn forget(&mut self) {
        self.bytes.drain(..self.used);
        self.used = 0;
        if self.bytes.capacity() > ROOM.max(4 * self.bytes.len()) {
            self.bytes.shrink_to(ROOM);
        }
    }

    /// Gives away what is used up, in about as much memory as it needs.
    pub(super) fn split_used(&mut self) -> Vec<u8> {
        if self.bytes.len() > 2 * self.used {
            let used = self.bytes[..self.used].to_vec();
            self.forget();
            return used;
        }
        let rest = self.bytes.split_off(self.used);
        self.used = 0;
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Has its bytes in this memory from now on.
    pub(super) fn move_to(&mut self, mut room: Vec<u8>) {
        room.clear();
        room.extend_from_slice(&self.bytes);
        self.bytes = room;
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Text::Transcoded(transcoder) = &mut self.text {
            transcoder.end(&mut self.bytes);
        }
    }

    /// Passes over a byte-order mark; false: more bytes are needed to say whether
    /// there is one.
    pub(super) fn begin(&mut self) -> Result<bool, DecodeError> {
        let Text::Undecided(declared, invalid_bytes) = self.text else {
            return Ok(true);
        };
        let rest = self.rest();
        let undecided = |mark: &[u8]| rest.len() < mark.len() && mark.starts_with(rest);
        if MARKS.iter().any(|(mark, _)| undecided(mark)) && !self.ended {
            return Ok(false);
        }
        let found = MARKS.iter().find(|(mark, _)| rest.starts_with(mark));
        let (mark, encoding) = match found {
            Some((_, None)) => return Err(utf_32()),
            Some((mark, Some(encoding))) => (mark.len(), *encoding),
            None => (0, declared),
        };
        self.used += mark;
        self.offset += mark as u64;
        if encoding == Encoding::UTF_8 && invalid_bytes == InvalidBytes::Reject {
            self.text = Text::AsIs;
            return Ok(true);
        }
        let raw = self.bytes.split_off(self.used);
        let transcoder = Transcoder::new(encoding, invalid_bytes, self.offset);
        self.text = Text::Transcoded(Box::new(transcoder));
        self.push(&raw);
        if std::mem::take(&mut self.ended) {
            self.end();
        }
        Ok(true)
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// What a transcoder needs to go on from here.
    pub(super) fn encoding(&self) -> Option<EncodingState> {
        match &self.text {
            Text::Transcoded(transcoder) => Some(transcoder.state()),
            Text::Undecided(..) | Text::AsIs => None,
        }
    }

    /// Says why the record of this length that begins here is no text.
    pub(super) fn flaw(&self, content: usize) -> Option<Flaw> {
        let record = &self.rest()[..content];
        match &self.text {
            Text::Transcoded(transcoder) => transcoder.flaw(self.used_in_all, record),
            Text::Undecided(..) | Text::AsIs => check_text(record, self.offset),
        }
    }

    /// The place of the record that begins here.
    pub(super) fn place(&self, record: u64, length: usize) -> Place {
        Place {
            record,
            line: self.line,
            byte_offset: self.offset,
            length,
        }
    }

    pub(super) fn advance(&mut self, extent: Extent) {
        self.used += extent.length;
        self.used_in_all += extent.length as u64;
        self.line += extent.lines;
        match &mut self.text {
            Text::Transcoded(transcoder) => self.offset = transcoder.advance(self.used_in_all),
            Text::Undecided(..) | Text::AsIs => self.offset += extent.length as u64,
        }
    }

    /// Moves to the stream's end: no text is left.
    pub(super) fn finish(&mut self) {
        if let Text::Transcoded(transcoder) = &self.text {
            self.offset = transcoder.end_of_stream();
        }
    }

    /// Skips the rest of the line, however long, as far as it is there. True:
    /// the next line begins, or the stream has ended.
    pub(super) fn skip_line(&mut self) -> bool {
        let rest = self.rest();
        if let Some(line) = line_end(rest, 0, self.ended) {
            self.advance(line);
            return true;
        }
        let length = rest.strip_suffix(b"\r").unwrap_or(rest).len();
        self.advance(Extent {
            content: length,
            length,
            lines: 0,
        });
        self.ended
    }
}

fn utf_32() -> DecodeError {
    DecodeError {
        code: ErrorCode::Unsupported,
        message: "it begins with the byte-order mark of UTF-32, which is not read; deliver it as UTF-8 or UTF-16".to_owned(),
    }
}
