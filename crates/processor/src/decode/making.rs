use std::sync::Arc;

use arrivage_model::{Checkpoint, Place, Reject, RowColumn, Rows};

use super::chunk::{Chunk, ChunkTarget, in_entry};
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
}

impl Making {
    /// An empty chunk that begins at this offset of the stream.
    pub(super) fn new(start: u64, columns: Arc<[RowColumn]>) -> Self {
        Self {
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

    /// The next one, where this one is sealed.
    pub(super) fn next(&self, start: u64, columns: Arc<[RowColumn]>) -> Self {
        Self {
            entry: self.entry.clone(),
            ..Self::new(start, columns)
        }
    }

    /// The next records are from this entry.
    pub(super) fn enter(&mut self, entry: &Arc<str>) {
        self.entry = Some(Arc::clone(entry));
    }

    /// Changes the columns of a chunk that has no rows yet.
    pub(super) fn set_columns(&mut self, columns: Arc<[RowColumn]>) {
        self.rows = Rows::new(columns.len());
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
        let cells = self.rows.cells(self.rows.len() - 1);
        let text: usize = cells.flatten().map(<[u8]>::len).sum();
        self.weight += size_of::<Place>() + size_of::<u32>() * self.columns.len();
        self.weight += text + record.len();
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
            && (self.weight >= target.bytes
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
