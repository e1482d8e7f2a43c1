use std::sync::Arc;

use arrivage_model::{Checkpoint, Place, Reject, RowColumn, Rows};

use super::chunk::{Chunk, ChunkTarget, Spare, in_entry};
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
    raw: Vec<u8>,
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
#[derive(Clone, Copy, Default)]
struct Held {
    columns: usize,
    rows: usize,
    text: usize,
    raw: usize,
    weight: usize,
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
            raw: Vec::new(),
            entry: None,
            entries: Vec::new(),
            weight: 0,
        }
    }

    /// The one that comes behind this.
    pub(super) fn next(&self, start: u64, columns: Arc<[RowColumn]>) -> Self {
        Self {
            entry: self.entry.clone(),
            before: Held {
                columns: self.columns.len(),
                rows: self.rows.len(),
                text: self.rows.text_bytes(),
                raw: self.raw.len(),
                weight: self.weight + self.rows.text_bytes(),
            },
            ..Self::new(start, columns)
        }
    }

    /// Makes room for as much as makes it full, if it is like the chunk before: what
    /// grows bit by bit is copied again and again, and takes twice as much in the end.
    /// The memory of an earlier chunk is used again where it is of the same shape. Room that
    /// is not needed after all is never touched.
    pub(super) fn make_room(&mut self, target: ChunkTarget, spare: Spare) {
        let Held {
            columns,
            rows,
            text,
            raw,
            weight,
        } = self.before;
        if !self.rows.is_empty() {
            return;
        }
        let like_before = weight > 0 && columns == self.columns.len();
        let scaled = |size: usize| match like_before {
            true => (size + size / 8).saturating_mul(target.bytes) / weight,
            false => 0,
        };
        let (rows, text, raw) = (scaled(rows), scaled(text), scaled(raw));
        let spare = spare.emptied(self.columns.len());
        if spare.fits_for(rows, text, raw, target.bytes) {
            (self.rows, self.raw) = (spare.rows, spare.raw);
        }
        self.rows.reserve(rows, text);
        self.raw.reserve_exact(raw);
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
        self.raw.extend_from_slice(record);
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
            raw: self.raw,
            entries: self.entries,
        }
    }
}
