//! Cutting a stream of bytes into records, whatever pieces it comes in.

mod array;
mod csv;
mod find;
mod line;

pub(super) use array::{ArrayCutter, ArrayState, extent};
pub(super) use csv::{CsvCutter, Field, Quoting};
pub(super) use line::{LineCutter, line_end};

/// A part of the stream that begins where the cutter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Without its line end, in bytes.
    pub(super) content: usize,
    /// With it.
    pub(super) length: usize,
    /// Line ends, those between quotes included.
    pub(super) lines: u64,
}

/// What stands at the beginning of the bytes. Only what is found in the first
/// `max_record` of them counts, so that the answer does not depend on how many
/// more are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// More bytes are needed to say. At the end of the stream: nothing.
    More,
    /// A blank line.
    Blank(Extent),
    /// The beginning of a comment: its line is to be skipped, however long.
    Comment,
    /// A record.
    Record(Extent),
    /// The first line of a record whose quote never closes.
    OpenQuote(Extent),
    /// The first line of a record in which text follows a closing quote.
    StrayQuote(Extent),
    /// The beginning of a record longer than allowed, as far as it was looked
    /// at: the rest of the line is to be skipped.
    TooLong(Extent),
}
