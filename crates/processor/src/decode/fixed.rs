use arrivage_model::{FixedWidth, Positions, Ragged, Range, ReasonCode, Rows};

use super::Guilty;
use super::cut::{Cut, LineCutter};
use super::fault::Fault;
use super::layout::{Cell, Content, Layout, write_null};
use super::plan::{Plan, PlannedColumn, Source};
use super::text::{NullWords, trim};

/// Reads lines in which every value has its positions.
pub(super) struct FixedReader {
    format: FixedWidth,
    cutter: LineCutter,
    layout: Layout,
    /// Where the value of each column of the plan stands.
    ranges: Vec<Option<Range>>,
    /// Positions that a line must have.
    width: usize,
    nulls: NullWords,
    /// Where each position of a line begins, if not every one is a byte.
    starts: Vec<usize>,
}

impl FixedReader {
    pub(super) fn new(plan: &Plan, format: &FixedWidth, captured: &[Option<Vec<u8>>]) -> Self {
        let range = |column: &PlannedColumn| match column.source {
            Source::Range(range) => Some(range),
            _ => None,
        };
        let ranges: Vec<_> = plan.columns.iter().map(range).collect();
        let mut cells = Vec::new();
        for (column, text) in captured.iter().enumerate() {
            let content = match (text, ranges[column]) {
                (Some(text), _) => Content::Constant(text.clone()),
                (None, Some(_)) => Content::Field(column),
                (None, None) => continue,
            };
            cells.push(Cell { column, content });
        }
        // What goes up to the line's end may be missing.
        let needed = |range: &Range| range.last.unwrap_or_default();
        Self {
            format: format.clone(),
            cutter: LineCutter::new(plan.max_record),
            layout: Layout::new(plan, cells),
            width: ranges
                .iter()
                .flatten()
                .map(needed)
                .max()
                .unwrap_or_default(),
            ranges,
            nulls: NullWords::new(&format.null),
            starts: Vec::new(),
        }
    }

    pub(super) fn format(&self) -> &FixedWidth {
        &self.format
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        match bytes.first() {
            Some(first) if Some(*first) == self.format.comment && self.cutter.is_at_start() => {
                Cut::Comment
            }
            _ => self.cutter.cut(bytes, ended),
        }
    }

    /// The column that has the byte at this place of a record, which is no text:
    /// its positions cannot be counted, unless they are bytes.
    pub(super) fn guilty_of(&self, at: usize) -> Guilty {
        let position = at + 1;
        let holds = |range: &Option<Range>| {
            let here = Range {
                first: position,
                last: Some(position),
            };
            range.is_some_and(|range| range.overlaps(here))
        };
        match self.format.positions {
            Positions::Bytes => self.ranges.iter().position(holds),
            Positions::Characters => None,
        }
    }

    /// Adds the cells of a line.
    pub(super) fn read(
        &mut self,
        plan: &Plan,
        line: &[u8],
        rows: &mut Rows,
    ) -> Result<(), (Guilty, Fault)> {
        self.starts.clear();
        let by_bytes = self.format.positions == Positions::Bytes;
        if !by_bytes && !line.is_ascii() {
            let begins = |(at, byte): (usize, &u8)| (byte & 0xC0 != 0x80).then_some(at);
            self.starts
                .extend(line.iter().enumerate().filter_map(begins));
        }
        let length = match self.starts.len() {
            0 => line.len(),
            characters => characters,
        };
        if length < self.width && self.format.ragged == Ragged::Reject {
            let reason = format!("it has {length} positions, and {} are expected", self.width);
            return Err((None, Fault::new(ReasonCode::Ragged, reason)));
        }
        let (starts, ranges) = (&self.starts, &self.ranges);
        let start = |position: usize| match starts.is_empty() {
            true => position.min(line.len()),
            false => starts.get(position).copied().unwrap_or(line.len()),
        };
        let write = |column: &PlannedColumn, at: Option<usize>, rows: &mut Rows| {
            let range = at.and_then(|at| ranges[at]);
            let Some(Range { first, last }) = range else {
                return write_null(column, rows);
            };
            let text = &line[start(first - 1)..last.map_or(line.len(), start)];
            if by_bytes && std::str::from_utf8(text).is_err() {
                let reason = "its positions begin or end within a character";
                return Err(Fault::new(ReasonCode::InvalidEncoding, reason));
            }
            let text = match self.format.trim {
                true => trim(text),
                false => text,
            };
            match &column.writer {
                Ok(writer) if !self.nulls.contain(text) => rows.push(|out| writer.write(text, out)),
                _ => write_null(column, rows),
            }
        };
        self.layout
            .write(plan, rows, write)
            .map_err(|(column, fault)| (Some(column), fault))
    }
}
