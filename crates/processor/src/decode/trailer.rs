use std::ops::Range;

use arrivage_model::TrailerPattern;
use memchr::memchr2;

use super::cut::{Extent, line_end};

/// Lines that are no records although they look like some: totals, signatures.
pub(super) struct Trailer {
    /// So many lines at the end, not counting blank ones.
    last: u64,
    /// Lines like this, wherever they stand.
    like: Option<TrailerPattern>,
    /// No line that counts is longer.
    max_record: usize,
}

/// What stands at the front.
pub(super) enum Ahead {
    /// More bytes are needed to say.
    More,
    /// Perhaps a record.
    Record,
    /// A line that is none, and where in it totals stand.
    Line(Extent, Vec<Range<usize>>),
    /// Nothing but the last lines.
    End,
}

/// The last lines together are taken to be no longer than this, besides one
/// record.
const LONGEST: usize = 64 * 1024;

impl Trailer {
    /// Nothing where every line may be a record.
    pub(super) fn new(last: u64, like: Option<&TrailerPattern>, max_record: usize) -> Option<Self> {
        if last == 0 && like.is_none() {
            return None;
        }
        Some(Self {
            last,
            like: like.cloned(),
            max_record,
        })
    }

    /// Looks at the bytes that begin where a record may. The answer does not
    /// depend on how many more are there.
    pub(super) fn look(&self, rest: &[u8], ended: bool) -> Ahead {
        match self.more_than_the_last(rest, ended) {
            None => return Ahead::More,
            Some(false) => return Ahead::End,
            Some(true) => {}
        }
        let Some(like) = &self.like else {
            return Ahead::Record;
        };
        let window = &rest[..rest.len().min(self.max_record + 2)];
        match line_end(window, 0, ended && window.len() == rest.len()) {
            Some(line) if line.content > self.max_record => Ahead::Record,
            Some(line) => match like.find(&window[..line.content]) {
                Some(totals) => Ahead::Line(line, totals),
                None => Ahead::Record,
            },
            None if !ended && window.len() < self.max_record + 2 => Ahead::More,
            _ => Ahead::Record,
        }
    }

    /// Where totals stand in the line that begins here, which is one of the last.
    pub(super) fn last_line(&self, rest: &[u8]) -> Option<Vec<Range<usize>>> {
        let line = line_end(rest, 0, true)?;
        self.like.as_ref()?.find(&rest[..line.content])
    }

    /// Whether more lines begin here than the last ones.
    fn more_than_the_last(&self, rest: &[u8], ended: bool) -> Option<bool> {
        if self.last == 0 {
            return Some(true);
        }
        let window = &rest[..rest.len().min(self.max_record + LONGEST)];
        let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let mut lines = 0;
        let mut at = 0;
        while let Some(text) = window[at..].iter().position(is_text) {
            lines += 1;
            if lines > self.last {
                return Some(true);
            }
            at += text;
            let Some(end) = memchr2(b'\n', b'\r', &window[at..]) else {
                break;
            };
            at += end;
        }
        let all_seen = window.len() == rest.len();
        match all_seen {
            true if ended => Some(false),
            true if window.len() < self.max_record + LONGEST => None,
            _ => Some(true),
        }
    }
}
