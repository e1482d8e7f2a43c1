use std::sync::Arc;

use arrivage_model::{Checkpoint, ReasonCode, Reject, RowColumn, Rows};

/// How much makes a chunk full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkTarget {
    /// About so much memory, in bytes: rows, rejects and source text together.
    pub bytes: usize,
    /// So many records, rejects included.
    pub records: u64,
}

/// The memory of a chunk that nobody reads any more, for another one.
#[derive(Debug, Default)]
pub struct Spare {
    pub(super) rows: Rows,
    pub(super) raw: Vec<u8>,
}

impl Spare {
    /// One with room for source text alone.
    #[cfg(test)]
    pub(crate) fn of(raw: Vec<u8>) -> Self {
        let rows = Rows::default();
        Self { rows, raw }
    }

    /// What it holds on the heap, in bytes.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes() + self.raw.capacity()
    }

    /// Whether a chunk of so many bytes may have it: what makes chunks full varies.
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        self.fits_for(0, 0, 0, bytes)
    }

    /// The same, once there is room for so many rows, bytes of text and of source text.
    pub(super) fn fits_for(&self, rows: usize, text: usize, raw: usize, bytes: usize) -> bool {
        let raw = self.raw.capacity().max(raw);
        self.rows.heap_bytes_for(rows, text) + raw <= bytes + bytes / 4
    }

    /// For rows of so many columns.
    pub(super) fn emptied(mut self, columns: usize) -> Self {
        self.raw.clear();
        let rows = self.rows.emptied(columns);
        Self { rows, ..self }
    }
}

/// Where the source text of a chunk's rows is.
#[derive(Debug)]
pub(super) enum Source {
    /// That of each row, one after the other.
    Rows(Vec<u8>),
    /// All bytes of the stream from the chunk's start on.
    Stream(Vec<u8>),
}

impl Source {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Rows(bytes) | Self::Stream(bytes) => bytes,
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Rows(bytes) | Self::Stream(bytes) => bytes.capacity(),
        }
    }
}

/// What one transaction loads: records that follow each other in the file.
#[derive(Debug)]
pub struct Chunk {
    /// Where its first record begins, in bytes of the decompressed stream: the
    /// end of the chunk before, or the checkpoint that the decoder went on from.
    pub start: u64,
    /// How far the file is read when this chunk is committed.
    pub end: Checkpoint,
    /// The table's columns that its rows fill, in their order. They may differ
    /// from chunk to chunk of one file.
    pub columns: Arc<[RowColumn]>,
    /// The records that can be loaded.
    pub rows: Rows,
    /// The records that cannot.
    pub rejects: Vec<Reject>,
    /// Nothing follows it.
    pub last: bool,
    pub(super) source: Source,
    /// In an archive: the entries that rows are from, each with the record that is its
    /// first here.
    pub(super) entries: Vec<(u64, Arc<str>)>,
}

impl Chunk {
    /// The reject for a row that the database refused.
    #[must_use]
    pub fn reject(
        &self,
        row: usize,
        column: Option<String>,
        code: ReasonCode,
        reason: String,
    ) -> Reject {
        let places = self.rows.places();
        let place = places[row];
        let (bytes, start) = match &self.source {
            Source::Rows(bytes) => {
                let before = places[..row].iter().map(|place| place.length);
                (bytes, before.sum())
            }
            Source::Stream(bytes) => (bytes, (place.byte_offset - self.start) as usize),
        };
        let record = &bytes[start..start + place.length];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        Reject {
            record: place.record,
            line: place.line,
            byte_offset: place.byte_offset,
            column,
            code,
            reason: match self.entry(place.record) {
                Some(entry) => in_entry(&reason, entry),
                None => reason,
            },
            raw: Reject::keep(record),
        }
    }

    /// The entry that a row is from.
    fn entry(&self, record: u64) -> Option<&str> {
        let behind = self.entries.partition_point(|(first, _)| *first <= record);
        let (_, name) = self.entries.get(behind.checked_sub(1)?)?;
        Some(name)
    }

    /// Records in it: its rows and its rejects.
    #[must_use]
    pub fn records(&self) -> u64 {
        (self.rows.len() + self.rejects.len()) as u64
    }

    /// Leaves of it only its memory.
    #[must_use]
    pub fn into_spare(self) -> Spare {
        Spare {
            rows: self.rows,
            raw: self.source.into_bytes(),
        }
    }

    /// What it holds on the heap, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let texts = |reject: &Reject| reject.raw.capacity() + reject.reason.capacity();
        self.rows.heap_bytes()
            + self.source.capacity()
            + self.rejects.capacity() * size_of::<Reject>()
            + self.rejects.iter().map(texts).sum::<usize>()
    }
}

/// What is said of something in an entry.
pub(super) fn in_entry(words: &str, entry: &str) -> String {
    format!("{words} (entry {entry})")
}
