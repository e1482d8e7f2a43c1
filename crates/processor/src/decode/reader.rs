use std::sync::Arc;

use arrivage_model::{Format, RowColumn, Rows};

use super::csv::CsvReader;
use super::cut::Cut;
use super::fault::Fault;
use super::json::JsonReader;
use super::plan::Plan;
use super::state::State;
use super::{DecodeError, Guilty};

/// The format of a file: how its records are cut, and what is in them.
pub(super) enum Reader {
    Csv(CsvReader),
    Json(JsonReader),
}

/// What a record was.
pub(super) enum Taken {
    /// The header: the columns are known from here on.
    Header,
    /// The first record that names some columns: they join the rows, and the
    /// record is to be taken again.
    Columns,
    /// A row, whose cells were added.
    Row,
    /// None, for this reason; no cell was added.
    Reject(Guilty, Fault),
}

impl Reader {
    /// Begins, or goes on in the state of a checkpoint.
    pub(super) fn new(
        plan: &Plan,
        captured: Vec<Option<Vec<u8>>>,
        state: State,
    ) -> Result<Self, DecodeError> {
        Ok(match &plan.format {
            Format::Csv(dialect) => {
                Self::Csv(CsvReader::new(plan, dialect, captured, state.header)?)
            }
            Format::JsonLines(_) => Self::Json(JsonReader::new(plan, captured, &state.members)?),
        })
    }

    /// Physical lines before the first record.
    pub(super) fn skip_lines(&self) -> u64 {
        match self {
            Self::Csv(reader) => reader.dialect().skip_lines,
            Self::Json(_) => 0,
        }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        match self {
            Self::Csv(reader) => reader.cut(bytes, ended),
            Self::Json(reader) => reader.cut(bytes, ended),
        }
    }

    /// The columns that the rows fill; none before the header.
    pub(super) fn columns(&self) -> Arc<[RowColumn]> {
        let layout = match self {
            Self::Csv(reader) => reader.layout(),
            Self::Json(reader) => Some(reader.layout()),
        };
        layout
            .map(|layout| Arc::clone(&layout.columns))
            .unwrap_or_default()
    }

    pub(super) fn expects_header(&self) -> bool {
        matches!(self, Self::Csv(reader) if reader.layout().is_none())
    }

    pub(super) fn ignored(&self) -> &[String] {
        match self {
            Self::Csv(reader) => reader.ignored(),
            Self::Json(_) => &[],
        }
    }

    /// Reads the record that was cut last and stands at `offset` of the stream.
    pub(super) fn take(
        &mut self,
        plan: &Plan,
        content: &[u8],
        offset: u64,
        rows: &mut Rows,
    ) -> Result<Taken, DecodeError> {
        let added = match self {
            Self::Csv(reader) if reader.layout().is_none() => {
                reader.read_header(plan, content, offset)?;
                return Ok(Taken::Header);
            }
            Self::Csv(reader) => reader.read(plan, content, offset, rows),
            Self::Json(reader) => match reader.find(content, offset) {
                Ok(()) if reader.join(plan, content)? => return Ok(Taken::Columns),
                Ok(()) => reader.read(plan, content, rows),
                Err(fault) => Err((None, fault)),
            },
        };
        Ok(match added {
            Ok(()) => Taken::Row,
            Err((guilty, fault)) => {
                rows.discard();
                Taken::Reject(guilty, fault)
            }
        })
    }

    /// What it needs to go on from here.
    pub(super) fn state(&self, plan: &Plan, line: u64) -> State {
        let (header, members) = match self {
            Self::Csv(reader) => (reader.header().cloned(), Vec::new()),
            Self::Json(reader) => (None, reader.members(plan)),
        };
        State {
            line,
            header,
            members,
        }
    }
}
