use arrivage_model::Place;

use super::cut::{Extent, line_end};

/// The bytes of the stream that are not used up, and where they stand in it.
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Bytes at the front that are used up.
    used: usize,
    /// Where the rest begins, in bytes of the stream.
    offset: u64,
    /// Its line; 1 is the stream's first.
    line: u64,
    ended: bool,
}

impl Input {
    pub(super) fn new(offset: u64, line: u64) -> Self {
        Self {
            bytes: Vec::new(),
            used: 0,
            offset,
            line,
            ended: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
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
        self.offset += extent.length as u64;
        self.line += extent.lines;
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
