use std::sync::Arc;

use arrivage_model::{ErrorCode, Format, RowColumn, Rows};

use super::csv::CsvReader;
use super::cut::Cut;
use super::fault::Fault;
use super::fixed::FixedReader;
use super::header::refused;
use super::json::JsonReader;
use super::plan::Plan;
use super::sniff;
use super::state::State;
use super::text::Flaw;
use super::trailer::Trailer;
use super::{DecodeError, Guilty};

/// The format of a file: how its records are cut, and what is in them.
pub(super) enum Reader {
    Csv(Box<CsvReader>),
    Json(JsonReader),
    Fixed(FixedReader),
}

/// What a record was.
pub(super) enum Taken {
    /// The header: the columns are known from here on.
    Header,
    /// The first record that names some columns: they join the rows, and the
    /// record is to be taken again.
    Columns,
    /// No record: it is to be skipped.
    Nothing,
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
                let State {
                    delimiter, header, ..
                } = state;
                let reader = CsvReader::new(plan, dialect, captured, delimiter, header)?;
                Self::Csv(Box::new(reader))
            }
            Format::FixedWidth(format) => Self::Fixed(FixedReader::new(plan, format, &captured)),
            // Typed files come as the JSON Lines that they mean.
            Format::JsonLines(_) | Format::Parquet | Format::Avro => {
                Self::Json(JsonReader::new(plan, captured, &state)?)
            }
        })
    }

    /// Physical lines before the first record.
    pub(super) fn skip_lines(&self) -> u64 {
        match self {
            Self::Csv(reader) => reader.dialect().skip_lines,
            Self::Fixed(reader) => reader.format().skip_lines,
            Self::Json(_) => 0,
        }
    }

    /// Which lines are no records.
    pub(super) fn trailer(&self, plan: &Plan) -> Option<Trailer> {
        let last = match self {
            Self::Csv(reader) => reader.dialect().skip_last,
            Self::Fixed(reader) => reader.format().skip_last,
            Self::Json(_) => return None,
        };
        Trailer::new(last, plan.trailer.as_ref(), plan.max_record)
    }

    /// Finds in a file's beginning what the dialect leaves open; false: more of it
    /// is needed.
    pub(super) fn look(&mut self, plan: &Plan, rest: &[u8], ended: bool) -> bool {
        let Self::Csv(reader) = self else {
            return true;
        };
        if !reader.lacks_delimiter() {
            return true;
        }
        if rest.len() < sniff::SAMPLE && !ended {
            return false;
        }
        let sample = &rest[..rest.len().min(sniff::SAMPLE)];
        let whole = ended && sample.len() == rest.len();
        let found = sniff::delimiter(plan, reader.dialect(), sample, whole);
        reader.set_delimiter(found);
        true
    }

    pub(super) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        match self {
            Self::Csv(reader) => reader.cut(bytes, ended),
            Self::Json(reader) => reader.cut(bytes, ended),
            Self::Fixed(reader) => reader.cut(bytes, ended),
        }
    }

    /// The columns that the rows fill; none before the header.
    pub(super) fn columns(&self) -> Arc<[RowColumn]> {
        let layout = match self {
            Self::Csv(reader) => reader.layout(),
            Self::Json(reader) => Some(reader.layout()),
            Self::Fixed(reader) => Some(reader.layout()),
        };
        layout
            .map(|layout| Arc::clone(&layout.columns))
            .unwrap_or_default()
    }

    pub(super) fn expects_header(&self) -> bool {
        matches!(self, Self::Csv(reader) if reader.layout().is_none())
    }

    /// Whether records end where lines do. The elements of an array do not: their
    /// reader passes over one that is too long by itself.
    pub(super) fn is_in_lines(&self) -> bool {
        !matches!(self, Self::Json(reader) if reader.array().is_some())
    }

    /// Says why the file cannot end here.
    pub(super) fn check_end(&self) -> Result<(), DecodeError> {
        match self {
            Self::Json(reader) if !reader.may_end() => Err(DecodeError {
                code: ErrorCode::Truncated,
                message: "its JSON array is not closed; it was cut on its way: deliver it again"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn ignored(&self) -> &[String] {
        match self {
            Self::Csv(reader) => reader.ignored(),
            Self::Json(_) | Self::Fixed(_) => &[],
        }
    }

    /// Reads the record that was cut last: its text, or why it is none.
    pub(super) fn take(
        &mut self,
        plan: &Plan,
        text: Result<&[u8], Flaw>,
        rows: &mut Rows,
    ) -> Result<Taken, DecodeError> {
        let text = match text {
            Ok(text) => text,
            Err(Flaw { fault, .. }) if self.expects_header() => {
                let why = format!("the header cannot be read: {}", fault.into_reason());
                return Err(refused(why));
            }
            Err(Flaw { at, fault }) => return Ok(Taken::Reject(self.guilty_of(at), fault)),
        };
        let added = match self {
            Self::Csv(reader) if reader.layout().is_none() => {
                reader.read_header(plan, text)?;
                return Ok(Taken::Header);
            }
            Self::Csv(reader) if reader.repeats_header(text) => return Ok(Taken::Nothing),
            Self::Csv(reader) => reader.read(plan, text, rows),
            Self::Fixed(reader) => reader.read(plan, text, rows),
            Self::Json(reader) => match reader.find(text) {
                Ok(()) if reader.join(plan, text)? => return Ok(Taken::Columns),
                Ok(()) => reader.read(plan, text, rows),
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

    /// Whether the record that was cut last makes a row of other columns than these;
    /// nothing where it makes no row. It is to be taken again.
    pub(super) fn takes_others(
        &mut self,
        plan: &Plan,
        text: &[u8],
        columns: &[RowColumn],
    ) -> Result<Option<bool>, DecodeError> {
        loop {
            let mut nowhere = Rows::new(self.columns().len());
            match self.take(plan, Ok(text), &mut nowhere)? {
                Taken::Columns => {}
                Taken::Row => return Ok(Some(*self.columns() != *columns)),
                Taken::Header | Taken::Nothing | Taken::Reject(..) => return Ok(None),
            }
        }
    }

    /// The column that has the byte at this place of the record that was cut
    /// last.
    fn guilty_of(&self, at: usize) -> Guilty {
        match self {
            Self::Csv(reader) => reader.guilty_of(at),
            Self::Fixed(reader) => reader.guilty_of(at),
            Self::Json(_) => None,
        }
    }

    /// What it needs to go on from here.
    pub(super) fn state(&self, plan: &Plan) -> State {
        match self {
            Self::Csv(reader) => State {
                header: reader.header().cloned(),
                delimiter: reader.found_delimiter().cloned(),
                ..State::default()
            },
            Self::Json(reader) => State {
                members: reader.members(plan),
                array: reader.array(),
                ..State::default()
            },
            Self::Fixed(_) => State::default(),
        }
    }
}
