use std::sync::Arc;

use arrivage_model::{Checkpoint, Place, Reject, RowColumn, Rows};

use super::chunk::{Chunk, ChunkTarget, Source, Spare, in_entry};
use super::fault::Fault;

/// A chunk is full with so many rejects, so that the budget of a file in which
/// every line is broken is judged before much work was done for it.
const MAX_REJECTS: usize = 1000;

/// A chunk in the making.
pub(super) struct Making {
    start: u64,
    columns: Arc<[RowColumn]>,
    rows: Rows,
    rejects: Vec<Reject>,
    /// The source text of the rows; nothing, if somebody else keeps it.
    raw: Option<Vec<u8>>,
    /// In an archive: the entry that the next record is from, and those that the rows
    /// are from.
    entry: Option<Arc<str>>,
    entries: Vec<(u64, Arc<str>)>,
    /// About what it holds, in bytes.
    weight: usize,
    /// What the chunk before held.
    before: Held,
}

/// What a chunk holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    columns: usize,
    rows: usize,
    text: usize,
    raw: usize,
    /// Bytes of the stream.
    stream: usize,
    weight: usize,
}

impl Held {
    /// Bytes of the stream that are about so much of a chunk.
    pub(super) fn stream_for(&self, weight: usize) -> usize {
        scaled(self.stream, weight, self.weight.max(1))
    }
}

fn scaled(size: usize, to: usize, of: usize) -> usize {
    let scaled = size as u128 * to as u128 / of as u128;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}

impl Making {
    /// An empty chunk that begins at this offset of the stream.
    pub(super) fn new(start: u64, columns: Arc<[RowColumn]>) -> Self {
        Self {
            before: Held::default(),
            start,
            rows: Rows::new(columns.len()),
            columns,
            rejects: Vec::new(),
            raw: Some(Vec::new()),
            entry: None,
            entries: Vec::new(),
            weight: 0,
        }
    }

    /// The one that comes behind this.
    pub(super) fn next(&self, start: u64, columns: Arc<[RowColumn]>) -> Self {
        let stream = usize::try_from(start - self.start).unwrap_or(usize::MAX);
        Self {
            entry: self.entry.clone(),
            before: Held {
                columns: self.columns.len(),
                rows: self.rows.len(),
                text: self.rows.text_bytes(),
                raw: self.raw.as_ref().map_or(stream, Vec::len),
                stream,
                weight: self.weight + self.rows.text_bytes(),
            },
            ..Self::new(start, columns)
        }
    }

    /// What the chunk before held.
    pub(super) fn before(&self) -> Held {
        self.before
    }

    /// The chunk before, of another decoder, held this.
    pub(super) fn comes_behind(&mut self, before: Held) {
        self.before = before;
    }

    /// Its rows have this room, and somebody else keeps their source text.
    pub(super) fn begin_in(&mut self, rows: Rows) {
        self.rows = rows.emptied(self.columns.len());
        self.raw = None;
    }

    /// Makes room for as much as makes it full, in an earlier chunk's memory where that is of
    /// the same shape.
    pub(super) fn make_room(&mut self, target: ChunkTarget, spare: Spare) {
        if !self.rows.is_empty() {
            return;
        }
        let room = self.room(target, spare);
        self.rows = room.rows;
        if let Some(raw) = &mut self.raw {
            *raw = room.raw;
        }
    }

    /// Room for as much as makes a chunk full, if it is like the chunk before: what grows bit
    /// by bit is copied again and again, and takes twice as much in the end. Room that is not
    /// needed after all is never touched.
    pub(super) fn room(&self, target: ChunkTarget, spare: Spare) -> Spare {
        let before = self.before;
        let like_before = before.weight > 0 && before.columns == self.columns.len();
        let scaled = |size: usize| match like_before {
            true => scaled(size + size / 8, target.bytes, before.weight),
            false => 0,
        };
        let (rows, text, raw) = (scaled(before.rows), scaled(before.text), scaled(before.raw));
        let mut spare = spare.emptied(self.columns.len());
        if !spare.fits_for(rows, text, raw, target.bytes) {
            spare = Spare::default().emptied(self.columns.len());
        }
        spare.rows.reserve(rows, text);
        spare.raw.reserve_exact(raw);
        spare
    }

    /// The room that it has.
    pub(super) fn take_room(&mut self) -> Spare {
        let rows = std::mem::take(&mut self.rows).emptied(self.columns.len());
        let raw = self.raw.as_mut().map(std::mem::take).unwrap_or_default();
        Spare { rows, raw }
    }

    /// The next records are from this entry.
    pub(super) fn enter(&mut self, entry: &Arc<str>) {
        self.entry = Some(Arc::clone(entry));
    }

    /// Changes the columns of a chunk that has no rows yet.
    pub(super) fn set_columns(&mut self, columns: Arc<[RowColumn]>) {
        self.rows = std::mem::take(&mut self.rows).emptied(columns.len());
        self.columns = columns;
    }

    pub(super) fn columns(&self) -> &Arc<[RowColumn]> {
        &self.columns
    }

    pub(super) fn complete_rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Completes the row whose cells were added.
    pub(super) fn complete(&mut self, place: Place, record: &[u8]) {
        self.rows.complete(place);
        if let Some(entry) = &self.entry {
            let known = self.entries.last();
            if !known.is_some_and(|(_, known)| Arc::ptr_eq(known, entry)) {
                self.weight += size_of::<(u64, Arc<str>)>() + entry.len();
                self.entries.push((place.record, Arc::clone(entry)));
            }
        }
        if let Some(raw) = &mut self.raw {
            raw.extend_from_slice(record);
        }
        self.weight += size_of::<Place>() + size_of::<u32>() * self.columns.len();
        self.weight += record.len();
    }

    pub(super) fn reject(
        &mut self,
        place: Place,
        column: Option<String>,
        fault: Fault,
        record: &[u8],
    ) {
        let reject = Reject {
            record: place.record,
            line: place.line,
            byte_offset: place.byte_offset,
            column,
            code: fault.code,
            reason: match &self.entry {
                Some(entry) => in_entry(&fault.into_reason(), entry),
                None => fault.into_reason(),
            },
            raw: Reject::keep(record),
        };
        self.weight += size_of::<Reject>() + reject.reason.len() + reject.raw.len();
        self.rejects.push(reject);
    }

    pub(super) fn is_full(&self, target: ChunkTarget) -> bool {
        let records = (self.rows.len() + self.rejects.len()) as u64;
        records > 0
            && (self.weight + self.rows.text_bytes() >= target.bytes
                || records >= target.records
                || self.rejects.len() >= MAX_REJECTS)
    }

    pub(super) fn into_chunk(self, end: Checkpoint) -> Chunk {
        Chunk {
            start: self.start,
            end,
            columns: self.columns,
            rows: self.rows,
            rejects: self.rejects,
            last: false,
            source: Source::Rows(self.raw.unwrap_or_default()),
            entries: self.entries,
        }
    }
}
