use std::sync::Arc;

use arrivage_model::{ErrorCode, RowColumn, Rows, Total, TrailerPattern};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::state::changed;
use super::sum::Sum;

/// The totals that a file states of itself, held against what was read of it.
///
/// The count is of all records, rejects included; a sum is of the values in the rows.
pub(super) struct Totals {
    wanted: Vec<Wanted>,
    /// Of the wanted ones, what was read so far; nothing is summed for a count.
    running: Vec<Sum>,
    /// As the last line that states them has them.
    stated: Option<Vec<Sum>>,
    /// The rows' columns, and where in them the summed ones stand.
    layout: (Arc<[RowColumn]>, Vec<Option<usize>>),
}

/// A total of the trailer.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) total: Total,
    /// How the file writes decimals there.
    pub(super) decimal: char,
}

/// What a checkpoint keeps of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TotalsState {
    sums: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stated: Option<Vec<String>>,
}

impl Totals {
    /// Nothing where the trailer states no total.
    pub(super) fn new(
        wanted: &[Wanted],
        state: Option<TotalsState>,
    ) -> Result<Option<Self>, DecodeError> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let sums = |texts: &[String]| -> Option<Vec<Sum>> {
            let sums: Option<Vec<_>> = texts.iter().map(|text| Sum::read(text)).collect();
            sums.filter(|sums| sums.len() == wanted.len())
        };
        let (running, stated) = match state {
            None => (vec![Sum::default(); wanted.len()], None),
            Some(state) => {
                let broken = || changed("its totals are not those of its trailer");
                let stated = state.stated.map(|texts| sums(&texts).ok_or_else(broken));
                (sums(&state.sums).ok_or_else(broken)?, stated.transpose()?)
            }
        };
        Ok(Some(Self {
            wanted: wanted.to_vec(),
            running,
            stated,
            layout: Default::default(),
        }))
    }

    /// Takes what a line states; false: it is no trailer, for its numbers are none.
    pub(super) fn state(&mut self, texts: &[&[u8]]) -> bool {
        let stated = texts.iter().zip(&self.wanted).map(|(text, wanted)| {
            let text = std::str::from_utf8(text).ok()?;
            Sum::written(text, wanted.decimal)
        });
        let stated: Option<Vec<Sum>> = stated.collect();
        let is_stated = stated.is_some();
        self.stated = stated.or(self.stated.take());
        is_stated
    }

    /// Adds the last of these rows.
    pub(super) fn add(
        &mut self,
        columns: &Arc<[RowColumn]>,
        rows: &Rows,
    ) -> Result<(), DecodeError> {
        if !Arc::ptr_eq(&self.layout.0, columns) {
            let place = |wanted: &Wanted| match &wanted.total {
                Total::Count { .. } => None,
                Total::Sum { column } => columns.iter().position(|known| known.name == *column),
            };
            let places = self.wanted.iter().map(place).collect();
            self.layout = (Arc::clone(columns), places);
        }
        for (running, place) in self.running.iter_mut().zip(&self.layout.1) {
            let Some(place) = place else { continue };
            let last = rows.len() - 1;
            let Some(cell) = rows.cells(last).nth(*place).flatten() else {
                continue;
            };
            let value = std::str::from_utf8(cell).ok().and_then(Sum::read);
            let sum = value.and_then(|value| running.plus(value));
            *running = sum.ok_or_else(|| DecodeError {
                code: ErrorCode::Unsupported,
                message: "a sum of its trailer has more than 37 digits".to_owned(),
            })?;
        }
        Ok(())
    }

    /// At the end of the file: fails one that is not as it says of itself.
    pub(super) fn compare(&self, records: u64, like: &str) -> Result<(), DecodeError> {
        let incomplete = |message: String| DecodeError {
            code: ErrorCode::Incomplete,
            message,
        };
        let Some(stated) = &self.stated else {
            let message = format!(
                "no line of it is like format.trailer, {like:?}, which states its totals: it was cut on its way, \
                 or written in another way"
            );
            return Err(incomplete(message));
        };
        for ((wanted, stated), sum) in self.wanted.iter().zip(stated).zip(&self.running) {
            match &wanted.total {
                Total::Count { more } => {
                    let lines = records + more;
                    if *stated != Sum::from(lines) {
                        let with = match more {
                            0 => String::new(),
                            more => format!(", with {more} other lines {lines}"),
                        };
                        let message = format!(
                            "it has {records} records{with}, and its trailer says {stated}"
                        );
                        return Err(incomplete(message));
                    }
                }
                Total::Sum { column } if stated != sum => {
                    let message = format!(
                        "the values of {column} in its rows come to {sum}, and its trailer says {stated}"
                    );
                    return Err(incomplete(message));
                }
                Total::Sum { .. } => {}
            }
        }
        Ok(())
    }

    pub(super) fn keep(&self) -> TotalsState {
        let texts = |sums: &[Sum]| sums.iter().map(Sum::to_string).collect();
        TotalsState {
            sums: texts(&self.running),
            stated: self.stated.as_deref().map(texts),
        }
    }
}

/// The totals of a pattern, each with the decimal mark of its column.
pub(super) fn wanted(pattern: &TrailerPattern, decimal: impl Fn(&str) -> char) -> Vec<Wanted> {
    let wanted = pattern.totals().iter().map(|total| Wanted {
        total: total.clone(),
        decimal: match total {
            Total::Count { .. } => '.',
            Total::Sum { column } => decimal(column),
        },
    });
    wanted.collect()
}
