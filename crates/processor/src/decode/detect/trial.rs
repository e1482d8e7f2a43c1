use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, Pipeline, Reject, Table};

use super::{Sample, no_columns};
use crate::decode::{ChunkTarget, DecodeError, Decoder, Plan};

/// What the decoder makes of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// The first rows: a cell for each column of the table, as it would be
    /// loaded; nothing is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Where they begin: 1 is the file's first line.
    pub lines: Vec<u64>,
    /// The first records that would not be loaded.
    pub rejects: Vec<Reject>,
    /// Records in the sample, rejects included.
    pub records: u64,
    /// Records in the sample that would not be loaded.
    pub rejected: u64,
}

/// As many rejects are shown at most.
const REJECTS: usize = 100;

/// Small chunks: what is in the last one of a sample that ends within a record
/// is not seen.
const TARGET: ChunkTarget = ChunkTarget {
    bytes: 4096,
    records: 100,
};

/// Reads a sample exactly as a load would, and keeps its first rows. A record
/// that the sample cuts is left out.
pub fn try_out(
    pipeline: &Pipeline,
    table: &Table,
    sample: Sample<'_>,
    rows: usize,
) -> Result<Trial, DecodeError> {
    let mut pipeline = pipeline.clone();
    // In a sample, a quote that stays open shall not hide all that follows it.
    if !sample.whole {
        let longest = (sample.bytes.len() / 4).max(4096);
        pipeline.limits.max_record = pipeline.limits.max_record.min(longest);
    }
    let plan = Plan::new(&pipeline, table).map_err(|error| no_columns(&error.to_string()))?;
    let start = Checkpoint::default();
    let mut decoder = Decoder::new(Arc::new(plan), &Captures::default(), &start, TARGET)?;
    decoder.push(sample.bytes, sample.bytes.len() as u64);
    if sample.whole {
        decoder.end();
    }
    let mut trial = Trial::default();
    while let Some(chunk) = decoder.take()? {
        trial.records += chunk.records();
        trial.rejected += chunk.rejects.len() as u64;
        let places: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                chunk
                    .columns
                    .iter()
                    .position(|filled| filled.name == column.name)
            })
            .collect();
        let missing = rows.saturating_sub(trial.rows.len());
        for row in 0..chunk.rows.len().min(missing) {
            let cells: Vec<_> = chunk.rows.cells(row).collect();
            let text = |at: &Option<usize>| {
                let cell = at.and_then(|at| cells[at])?;
                Some(String::from_utf8_lossy(cell).into_owned())
            };
            trial.rows.push(places.iter().map(text).collect());
            trial.lines.push(chunk.rows.places()[row].line);
        }
        let missing = REJECTS.saturating_sub(trial.rejects.len());
        trial
            .rejects
            .extend(chunk.rejects.into_iter().take(missing));
    }
    Ok(trial)
}
