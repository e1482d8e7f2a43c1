//! What has to hold of the chunks of any file.

use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, ReasonCode, Reject};
use arrivage_processor::decode::{Chunk, ChunkTarget, DecodeError, Decoder, Plan};

use crate::knobs::Knobs;

/// Everything in one chunk.
pub(crate) const LARGE: ChunkTarget = ChunkTarget {
    bytes: usize::MAX,
    records: u64::MAX,
};

/// Of so many chunks' ends reading goes on, and of so many rows the text is compared: what
/// comes after is as what comes before.
const SOME: usize = 8;

/// A row: its place and its cells.
type Row = (u64, u64, u64, usize, Vec<Option<Vec<u8>>>);

/// What a chunk is, but for `bytes_read`, which depends on pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) start: u64,
    pub(crate) end: Checkpoint,
    pub(crate) last: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) raw: Vec<String>,
    pub(crate) rejects: Vec<Reject>,
}

impl Seen {
    pub(crate) fn of(chunk: &Chunk) -> Self {
        let place = |row: usize| chunk.rows.places()[row];
        let cells = |row| chunk.rows.cells(row).map(|cell| cell.map(<[u8]>::to_vec));
        let row = |row| {
            let at = place(row);
            let cells = cells(row).collect();
            (at.record, at.line, at.byte_offset, at.length, cells)
        };
        let raw = |row| {
            let refused = chunk.reject(row, None, ReasonCode::Constraint, String::new());
            refused.raw
        };
        let rows = chunk.rows.len();
        Self {
            start: chunk.start,
            end: Checkpoint {
                bytes_read: 0,
                ..chunk.end.clone()
            },
            last: chunk.last,
            columns: chunk.columns.iter().map(|it| it.name.clone()).collect(),
            rows: (0..rows).map(row).collect(),
            raw: (0..rows.min(SOME)).map(raw).collect(),
            rejects: chunk.rejects.clone(),
        }
    }

    /// Its records, each with its line and its place in the stream.
    fn places(&self) -> Vec<(u64, u64, u64)> {
        let rows = self.rows.iter().map(|row| (row.0, row.1, row.2));
        let rejects = self.rejects.iter();
        let rejects = rejects.map(|reject| (reject.record, reject.line, reject.byte_offset));
        let mut places: Vec<_> = rows.chain(rejects).collect();
        places.sort_unstable();
        places
    }
}

/// A chunk of some size.
pub(crate) fn target(knobs: &mut Knobs<'_>) -> ChunkTarget {
    ChunkTarget {
        bytes: knobs.one_of(&[usize::MAX, 1, 100, 300]),
        records: knobs.one_of(&[u64::MAX, 1, 2, 3, 7]),
    }
}

/// How long the pieces are in which a file comes, one after the other and from the start again.
pub(crate) fn pieces(knobs: &mut Knobs<'_>) -> [usize; 2] {
    let lengths = [1, 2, 3, 5, 16, 61, 200, 1000];
    [knobs.one_of(&lengths), knobs.one_of(&lengths)]
}

/// Decodes what is left of an input after a checkpoint, in pieces of these lengths.
pub(crate) fn decode(
    plan: &Arc<Plan>,
    input: &[u8],
    pieces: &[usize],
    from: &Checkpoint,
    target: ChunkTarget,
) -> Result<Vec<Chunk>, DecodeError> {
    let mut decoder = Decoder::new(Arc::clone(plan), &Captures::new(), from, target)?;
    let mut chunks = Vec::new();
    let mut at = usize::try_from(from.offset).expect("a small input");
    for length in pieces.iter().cycle() {
        let end = input.len().min(at + length);
        decoder.push(&input[at..end], end as u64);
        at = end;
        while let Some(chunk) = decoder.take()? {
            chunks.push(chunk);
        }
        if at == input.len() {
            break;
        }
    }
    decoder.end();
    while let Some(chunk) = decoder.take()? {
        chunks.push(chunk);
    }
    assert!(decoder.take()?.is_none(), "nothing follows the last chunk");
    Ok(chunks)
}

/// However a file is cut into pieces, and from whichever chunk's end reading goes on, its chunks
/// are the same; each record is in them once.
pub(crate) fn check(
    plan: &Arc<Plan>,
    input: &[u8],
    pieces: &[usize],
    target: ChunkTarget,
) -> Result<Vec<Chunk>, DecodeError> {
    let start = Checkpoint::default();
    let whole = decode(plan, input, &[input.len()], &start, target);
    let see = |chunks: &Vec<Chunk>| chunks.iter().map(Seen::of).collect::<Vec<_>>();
    let found = whole.as_ref().map(see);
    let cut = decode(plan, input, pieces, &start, target);
    assert_eq!(cut.as_ref().map(see), found, "in pieces of {pieces:?}");
    if let Ok(found) = &found {
        check_account(found, input.len() as u64);
        for (at, chunk) in some(found) {
            let rest = decode(plan, input, pieces, &chunk.end, target);
            let rest = rest.as_ref().map(see);
            assert_eq!(
                rest.as_deref(),
                Ok(&found[at + 1..]),
                "from {:?}",
                chunk.end
            );
        }
    }
    whole
}

/// Chunks that reading can go on after.
pub(crate) fn some(chunks: &[Seen]) -> impl Iterator<Item = (usize, &Seen)> {
    let step = chunks.len().div_ceil(SOME).max(1);
    let open = chunks.iter().enumerate().filter(|(_, chunk)| !chunk.last);
    open.step_by(step)
}

/// Each record is a row or a reject, once and in its place; the last chunk ends the file, and
/// none but it.
pub(crate) fn check_account(chunks: &[Seen], length: u64) {
    let (mut at, mut records, mut before) = (0, 0, (0, 0));
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.start, at, "it begins where the one before ends");
        at = chunk.end.offset;
        assert_eq!(chunk.last, number + 1 == chunks.len(), "the last is last");
        for (record, line, offset) in chunk.places() {
            records += 1;
            assert_eq!(record, records, "each record once");
            assert!(before.0 <= offset, "in their order: {before:?}, {offset}");
            // An element of an array may be nothing.
            assert!(
                offset <= at,
                "record {record} begins at {offset}, beyond {at}"
            );
            assert!(line >= 1, "the first line is 1");
            before = (offset, line);
        }
        assert_eq!(chunk.end.records, records, "all of them are counted");
    }
    assert_eq!(at, length, "all of it was read");
}
