//! Records that are JSON objects: one a line, or the elements of an array.

pub(super) mod document;
mod names;
pub(super) mod pointer;
pub(super) mod string;

use std::ops::Range;

use arrivage_model::{ColumnType, ReasonCode, Rows};

use super::cut::{ArrayCutter, ArrayState, Cut, LineCutter, extent};
use super::fault::Fault;
use super::header::refused;
use super::layout::{Cell, Content, Layout, write_null};
use super::plan::{Plan, PlannedColumn, Source, unknown_type};
use super::state::{State, changed};
use super::value::{Writer, array};
use super::{DecodeError, Guilty};
use names::{Match, Names};

/// Reads records that are JSON objects.
///
/// There is no header, so a column that only the table has joins the rows when
/// the first record names it, and until then is left to the database: a serial
/// number that no record has gets its default, not NULL.
pub(super) struct JsonReader {
    cutter: Cutter,
    max_record: usize,
    names: Names,
    pointers: Vec<Pointer>,
    /// Where the values of the record stand: of names first, then of pointers.
    slots: Vec<Slot>,
    /// For each column of the plan, its slot.
    slot_of: Vec<Option<usize>>,
    /// For each column of the plan, whether it is in the rows.
    active: Vec<bool>,
    captured: Vec<Option<Vec<u8>>>,
    layout: Layout,
}

/// How the objects stand in the file, which its first character tells.
enum Cutter {
    /// No text was seen yet.
    Undecided(LineCutter),
    /// One in each line.
    Lines(LineCutter),
    /// All in an array.
    Array(ArrayCutter),
}

struct Pointer {
    slot: usize,
    parts: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    value: Option<Range<usize>>,
    matched: Match,
    /// Two members of the record have the name, neither of them exactly.
    twice: bool,
}

impl JsonReader {
    pub(super) fn new(
        plan: &Plan,
        captured: Vec<Option<Vec<u8>>>,
        state: &State,
    ) -> Result<Self, DecodeError> {
        let members = &state.members;
        let mut names = Names::default();
        let by_name = |column: &PlannedColumn, names: &mut Names| match &column.source {
            Source::Name(name) => Some(names.add(name, column.exact)),
            _ => None,
        };
        let mut slot_of: Vec<_> = plan
            .columns
            .iter()
            .map(|column| by_name(column, &mut names))
            .collect();
        let mut pointers = Vec::new();
        for (at, column) in plan.columns.iter().enumerate() {
            if let Source::Pointer(parts) = &column.source {
                let slot = names.len() + pointers.len();
                slot_of[at] = Some(slot);
                pointers.push(Pointer {
                    slot,
                    parts: parts.clone(),
                });
            }
        }
        let known = |member: &&String| plan.columns.iter().any(|column| column.name == **member);
        if !members.iter().all(|member| known(&member)) {
            return Err(changed("the table lost a column that the file fills"));
        }
        let active = |column: &PlannedColumn| {
            column.declared || column.required || members.contains(&column.name)
        };
        let mut reader = Self {
            cutter: match state.array {
                Some(array) => Cutter::Array(ArrayCutter::new(plan.max_record, array)),
                None if state.fresh => Cutter::Undecided(LineCutter::new(plan.max_record)),
                None => Cutter::Lines(LineCutter::new(plan.max_record)),
            },
            max_record: plan.max_record,
            slots: vec![Slot::default(); names.len() + pointers.len()],
            names,
            pointers,
            slot_of,
            active: plan.columns.iter().map(active).collect(),
            captured,
            layout: Layout::new(plan, Vec::new()),
        };
        reader.lay_out(plan);
        Ok(reader)
    }

    pub(super) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        if let Cutter::Undecided(lines) = &mut self.cutter {
            let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            match bytes.iter().position(is_text) {
                // Blank lines are passed over either way, unless they are too long for lines.
                None => {
                    let cut = lines.cut(bytes, ended);
                    if let Cut::TooLong(_) = cut {
                        self.cutter = Cutter::Lines(LineCutter::new(self.max_record));
                    }
                    return cut;
                }
                Some(at) if bytes[at] == b'[' && self.fit(&bytes[..at]) => {
                    let array = ArrayCutter::new(self.max_record, ArrayState::default());
                    self.cutter = Cutter::Array(array);
                    return Cut::Blank(extent(bytes, at + 1));
                }
                Some(_) => self.cutter = Cutter::Lines(LineCutter::new(self.max_record)),
            }
        }
        match &mut self.cutter {
            Cutter::Array(array) if !array.is_closed() => array.cut(bytes, ended),
            Cutter::Undecided(lines) | Cutter::Lines(lines) => lines.cut(bytes, ended),
            // What follows an array is no part of it, whatever it is.
            closed => {
                *closed = Cutter::Lines(LineCutter::new(self.max_record));
                self.cut(bytes, ended)
            }
        }
    }

    /// Whether none of these blank lines is too long.
    fn fit(&self, blanks: &[u8]) -> bool {
        let mut lines = blanks.split(|byte| matches!(byte, b'\r' | b'\n'));
        lines.all(|line| line.len() <= self.max_record)
    }

    /// Where in an array it stands, if in one.
    pub(super) fn array(&self) -> Option<ArrayState> {
        match &self.cutter {
            Cutter::Array(array) => Some(array.state()),
            Cutter::Undecided(_) | Cutter::Lines(_) => None,
        }
    }

    /// Whether the file may end here: an array has to be closed.
    pub(super) fn may_end(&self) -> bool {
        match &self.cutter {
            Cutter::Array(array) => array.is_closed(),
            Cutter::Undecided(_) | Cutter::Lines(_) => true,
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The columns that joined the rows because a record named them.
    pub(super) fn members(&self, plan: &Plan) -> Vec<String> {
        let joined = plan.columns.iter().zip(&self.active);
        joined
            .filter(|(column, active)| **active && !column.declared && !column.required)
            .map(|(column, _)| column.name.clone())
            .collect()
    }

    fn lay_out(&mut self, plan: &Plan) {
        let mut cells = Vec::new();
        for (at, column) in plan.columns.iter().enumerate() {
            let content = match (&self.captured[at], self.slot_of[at]) {
                (Some(text), _) => Content::Constant(text.clone()),
                (None, Some(slot)) if self.active[at] && column.writer.is_ok() => {
                    Content::Field(slot)
                }
                _ => continue,
            };
            cells.push(Cell {
                column: at,
                content,
            });
        }
        self.layout = Layout::new(plan, cells);
    }

    /// Finds the values of a record. Nothing is added to any row yet.
    pub(super) fn find(&mut self, record: &[u8]) -> Result<(), Fault> {
        self.slots.fill(Slot::default());
        let mut any = false;
        document::members(record, |name, range| {
            let (slot, matched) = self.names.find(name);
            if let Some(slot) = slot {
                any = true;
                self.slots[slot].take(range, matched);
            }
        })?;
        for pointer in &self.pointers {
            let value = pointer::find(record, &pointer.parts);
            any |= value.is_some();
            self.slots[pointer.slot].value = value;
        }
        if self.slots.iter().any(|slot| slot.twice) {
            let reason = "two of its names differ only in case, and fit the same column";
            return Err(Fault::new(ReasonCode::NotJson, reason));
        }
        if !any {
            return Err(nothing_to_take());
        }
        Ok(())
    }

    /// Lets columns join the rows which the record is the first to name; true:
    /// the rows are made otherwise from here on.
    pub(super) fn join(&mut self, plan: &Plan, record: &[u8]) -> Result<bool, DecodeError> {
        let mut joined = false;
        for (at, column) in plan.columns.iter().enumerate() {
            let slot = match self.slot_of[at] {
                Some(slot) if !self.active[at] => &self.slots[slot],
                _ => continue,
            };
            let Some(value) = &slot.value else { continue };
            match &column.writer {
                Err(_) if &record[value.clone()] == b"null" => {}
                Err(kind) => return Err(refused(unknown_type(&column.name, kind))),
                Ok(_) => {
                    self.active[at] = true;
                    joined = true;
                }
            }
        }
        if joined {
            self.lay_out(plan);
        }
        Ok(joined)
    }

    /// Adds the cells of the record whose values were found last.
    pub(super) fn read(
        &self,
        plan: &Plan,
        record: &[u8],
        rows: &mut Rows,
    ) -> Result<(), (Guilty, Fault)> {
        if self.layout.cells.is_empty() {
            return Err((None, nothing_to_take()));
        }
        let write = |column: &PlannedColumn, slot: Option<usize>, rows: &mut Rows| {
            let value = slot.and_then(|slot| self.slots[slot].value.clone());
            let value = value.map(|range| &record[range]);
            match (value, &column.writer) {
                (None | Some(b"null"), _) | (_, Err(_)) => write_null(column, rows),
                (Some(value), Ok(writer)) => rows.push(|out| write_value(writer, value, out)),
            }
        };
        self.layout
            .write(plan, rows, write)
            .map_err(|(column, fault)| (Some(column), fault))
    }
}

impl Slot {
    /// Takes a member: one with exactly the name before one without.
    fn take(&mut self, range: Range<usize>, matched: Match) {
        match (self.value.is_some(), self.matched, matched) {
            (true, Match::Exact, _) => return,
            (true, Match::Loose, Match::Loose) => {
                self.twice = true;
                return;
            }
            _ => {}
        }
        *self = Self {
            value: Some(range),
            matched,
            twice: false,
        };
    }
}

fn nothing_to_take() -> Fault {
    let reason = "none of its members is a column of the table";
    Fault::new(ReasonCode::Missing, reason)
}

/// Writes a sound JSON value, which is not null: a JSON column takes it as it
/// is; elsewhere a string stands for its text, and an object or an array for
/// its JSON text. An array column takes an array by its elements.
pub(super) fn write_value(writer: &Writer, value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    match (writer.kind, value.first()) {
        (ColumnType::Json | ColumnType::Jsonb, _) => {
            out.extend_from_slice(value);
            Ok(())
        }
        (ColumnType::Array(element), Some(b'[')) => array::write_json(writer, element, value, out),
        (_, Some(b'"')) => writer.write(&string::text(value), out),
        (_, Some(b'-' | b'0'..=b'9')) => writer.write_json_number(value, out),
        _ => writer.write(value, out),
    }
}
