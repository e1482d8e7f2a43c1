mod array;
mod csv;
mod dialects;
mod differential;
pub(in crate::decode) mod encodings;
mod entries;
mod fixed;
mod given_back;
mod header;
mod json;
mod json_suite;
mod pieces;
mod places;
mod polluted;
mod reference;
mod spectrum;
mod state;
mod team;
mod totals;

use std::sync::Arc;

use arrivage_model::{
    Captures, Checkpoint, Column, ColumnSource, Csv, FixedWidth, Format, InvalidBytes, JsonLines,
    Limits, Mode, Order, Pattern, Pipeline, Range, RejectBudget, Table, TableColumn,
};

use super::{Chunk, ChunkTarget, DecodeError, Decoder, Plan, PlanError};

/// A pipeline and its table.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) pipeline: Pipeline,
    pub(super) table: Table,
    pub(super) captures: Captures,
}

/// The plan of [`csv`].
pub(crate) fn plan(columns: &str) -> Plan {
    csv(columns).plan().expect("pipeline and table fit")
}

/// A CSV pipeline into a table with these columns: `id bigint!, name text`; the
/// mark is for NOT NULL without default.
pub(super) fn csv(columns: &str) -> Case {
    case(Format::Csv(Csv::default()), columns)
}

pub(super) fn json_lines(columns: &str) -> Case {
    case(Format::JsonLines(JsonLines::default()), columns)
}

/// Lines of a fixed width, whose columns have these positions.
pub(super) fn fixed(columns: &str, positions: &[(&str, usize, Option<usize>)]) -> Case {
    let mut case = case(Format::FixedWidth(FixedWidth::default()), columns);
    for (name, first, last) in positions {
        let range = Range {
            first: *first,
            last: *last,
        };
        case = case.declare(from(name, ColumnSource::Range(range)));
    }
    case
}

fn case(format: Format, columns: &str) -> Case {
    let pipeline = Pipeline {
        name: "p".to_owned(),
        patterns: vec![Pattern::new("s3://drop/{day}/*").expect("a sound pattern")],
        ignored_names: Vec::new(),
        table: "t".parse().expect("a sound name"),
        order: Order::Any,
        atomic: false,
        mode: Mode::Append,
        create_table: false,
        max_attempts: 5,
        format,
        limits: Limits::default(),
        columns: Vec::new(),
        rejects: RejectBudget {
            max_rows: 1000,
            max_ratio: None,
        },
        sidecar: None,
    };
    let column = |text: &str| {
        let (name, kind) = text.trim().split_once(' ').expect("a name and a type");
        let required = kind.ends_with('!');
        let kind = kind.trim_end_matches('!');
        TableColumn {
            name: name.to_owned(),
            kind: kind.parse().map_err(|_| kind.to_owned()),
            required,
        }
    };
    let table = Table {
        name: "public.t".parse().expect("a sound name"),
        columns: columns.split(", ").map(column).collect(),
        has_arrival_id: false,
        has_record: false,
        lineage_is_bigint: true,
        parallel: true,
    };
    let captures = [("day".to_owned(), "2024-01-02".to_owned())].into();
    Case {
        pipeline,
        table,
        captures,
    }
}

pub(super) fn column(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        kind: None,
        from: None,
        format: None,
        decimal: '.',
        required: false,
        default: None,
    }
}

pub(super) fn from(name: &str, from: ColumnSource) -> Column {
    Column {
        from: Some(from),
        ..column(name)
    }
}

impl Case {
    pub(super) fn dialect(mut self, change: impl FnOnce(&mut Csv)) -> Self {
        if let Format::Csv(dialect) = &mut self.pipeline.format {
            change(dialect);
        }
        self
    }

    pub(super) fn lines(mut self, change: impl FnOnce(&mut FixedWidth)) -> Self {
        if let Format::FixedWidth(format) = &mut self.pipeline.format {
            change(format);
        }
        self
    }

    pub(super) fn encoding(mut self, label: &str) -> Self {
        self.pipeline.limits.encoding = label.parse().expect(label);
        self
    }

    pub(super) fn replace_invalid_bytes(mut self) -> Self {
        self.pipeline.limits.invalid_bytes = InvalidBytes::Replace;
        self
    }

    pub(super) fn max_record(mut self, bytes: usize) -> Self {
        self.pipeline.limits.max_record = bytes;
        self
    }

    pub(super) fn declare(mut self, column: Column) -> Self {
        self.pipeline.columns.push(column);
        self
    }

    pub(super) fn key(mut self, key: &[&str]) -> Self {
        let key = key.iter().map(|&name| name.to_owned()).collect();
        self.pipeline.mode = Mode::Upsert { key };
        self
    }

    pub(super) fn plan(&self) -> Result<Plan, PlanError> {
        Plan::new(&self.pipeline, &self.table)
    }

    fn decoder(&self, from: &Checkpoint, target: ChunkTarget) -> Result<Decoder, DecodeError> {
        let plan = self.plan().expect("pipeline and table fit");
        Decoder::new(Arc::new(plan), &self.captures, from, target)
    }

    /// What is left of the input after a checkpoint, in pieces that end at these
    /// places of it.
    pub(super) fn chunks(
        &self,
        input: &[u8],
        cuts: &[usize],
        from: &Checkpoint,
        target: ChunkTarget,
    ) -> Result<Vec<Chunk>, DecodeError> {
        let mut decoder = self.decoder(from, target)?;
        let mut chunks = Vec::new();
        let mut start = usize::try_from(from.offset).expect("a small input");
        for end in cuts.iter().copied().chain([input.len()]) {
            if end < start {
                continue;
            }
            decoder.push(&input[start..end], end as u64);
            start = end;
            while let Some(chunk) = decoder.take()? {
                chunks.push(chunk);
            }
        }
        decoder.end();
        while let Some(chunk) = decoder.take()? {
            chunks.push(chunk);
        }
        assert!(decoder.take()?.is_none(), "nothing follows the last chunk");
        Ok(chunks)
    }

    /// Rows and rejects in the order of their records, as lines of text.
    pub(super) fn read(&self, input: &[u8]) -> Result<Vec<String>, DecodeError> {
        let chunks = self.chunks(input, &[], &Checkpoint::default(), LARGE)?;
        Ok(records(&chunks)
            .into_iter()
            .map(|record| record.what)
            .collect())
    }

    /// Each line of `expect` is a row, `7|abc|∅`, or a reject,
    /// `!not_a_number id`.
    pub(super) fn check(&self, input: impl AsRef<[u8]>, expect: &[&str]) {
        let input = input.as_ref();
        let found = self.read(input).expect("a file that can be read");
        let shown = String::from_utf8_lossy(&input[..input.len().min(200)]);
        assert_eq!(found, expect, "from {shown:?}");
    }

    pub(super) fn check_refused(&self, input: impl AsRef<[u8]>, expect: &[&str]) {
        let error = self
            .read(input.as_ref())
            .expect_err("a file that cannot be read");
        for part in expect {
            assert!(
                error.message.contains(part),
                "{part:?} in {:?}",
                error.message
            );
        }
    }
}

/// Everything in one chunk.
pub(super) const LARGE: ChunkTarget = ChunkTarget {
    bytes: usize::MAX,
    records: u64::MAX,
};

/// A record, as a row or a reject, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) record: u64,
    pub(super) line: u64,
    pub(super) byte_offset: u64,
    pub(super) raw: String,
    /// The columns that the row fills; none for a reject.
    pub(super) columns: Vec<String>,
    pub(super) what: String,
    pub(super) reason: String,
}

pub(super) fn records(chunks: &[Chunk]) -> Vec<Record> {
    let mut records = Vec::new();
    for chunk in chunks {
        let cell = |cell: Option<&[u8]>| {
            cell.map_or("∅".to_owned(), |text| {
                String::from_utf8_lossy(text).into_owned()
            })
        };
        for row in 0..chunk.rows.len() {
            let cells: Vec<_> = chunk.rows.cells(row).map(cell).collect();
            let code = arrivage_model::ReasonCode::Constraint;
            let place = chunk.reject(row, None, code, String::new());
            records.push(Record {
                record: place.record,
                line: place.line,
                byte_offset: place.byte_offset,
                raw: place.raw,
                columns: chunk
                    .columns
                    .iter()
                    .map(|column| column.name.clone())
                    .collect(),
                what: cells.join("|"),
                reason: String::new(),
            });
        }
        for reject in &chunk.rejects {
            let column = reject
                .column
                .as_deref()
                .map_or(String::new(), |name| format!(" {name}"));
            records.push(Record {
                record: reject.record,
                line: reject.line,
                byte_offset: reject.byte_offset,
                raw: reject.raw.clone(),
                columns: Vec::new(),
                what: format!("!{}{column}", reject.code),
                reason: reject.reason.clone(),
            });
        }
    }
    records.sort_by_key(|record| record.record);
    records
}
