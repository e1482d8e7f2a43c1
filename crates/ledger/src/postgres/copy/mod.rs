//! What goes through COPY: rows in the database's own binary form, or as text where a column has a
//! type whose binary form is not known here.

mod array;
mod binary;
mod numeric;
mod text;

use arrivage_model::{ArrivalId, Rows};

use self::binary::Binary;
use super::target::quote;
use crate::Destination;

/// What stands beside a row's own cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// The arrival that the next rows are of, where the table tells it.
    arrival: Option<ArrivalId>,
    /// Whether the table has the record's number.
    record: bool,
    /// How many of the row's record, line and byte offset follow at its end.
    places: usize,
}

/// Rows on their way into a COPY.
pub(super) struct Encoder {
    form: Form,
    beside: Beside,
    piece: Vec<u8>,
}

enum Form {
    Binary(Binary),
    Text,
}

impl Encoder {
    /// The first rows are of this arrival. `places`: how many of record, line and byte
    /// offset each row gets at its end.
    pub(super) fn new(destination: &Destination, arrival: ArrivalId, places: usize) -> Self {
        let table = &destination.table;
        let beside = Beside {
            arrival: table.has_arrival_id.then_some(arrival),
            record: table.has_record,
            places,
        };
        let form = Binary::new(destination, beside).map_or(Form::Text, Form::Binary);
        let mut piece = Vec::new();
        if let Form::Binary(_) = form {
            binary::begin(&mut piece);
        }
        Self {
            form,
            beside,
            piece,
        }
    }

    /// The word for it in a COPY statement.
    pub(super) fn format(&self) -> &'static str {
        match self.form {
            Form::Binary(_) => "binary",
            Form::Text => "text",
        }
    }

    /// The next rows are of this arrival.
    pub(super) fn turn_to(&mut self, arrival: ArrivalId) {
        self.beside.arrival = self.beside.arrival.map(|_| arrival);
    }

    /// Adds one row.
    pub(super) fn push(&mut self, rows: &Rows, row: usize) {
        match &self.form {
            Form::Binary(binary) => binary.push(self.beside, rows, row, &mut self.piece),
            Form::Text => text::push(self.beside, rows, row, &mut self.piece),
        }
    }

    /// Adds what stands after the last row.
    pub(super) fn end(&mut self) {
        if let Form::Binary(_) = self.form {
            binary::end(&mut self.piece);
        }
    }

    /// What was added and not cleared.
    pub(super) fn piece(&self) -> &[u8] {
        &self.piece
    }

    /// Forgets what is sent.
    pub(super) fn clear(&mut self) {
        self.piece.clear();
    }
}

/// The columns that a COPY brings, as SQL takes them, lineage first.
pub(super) fn columns(destination: &Destination) -> Vec<String> {
    let table = &destination.table;
    let lineage = [
        (table.has_arrival_id, "_arrival_id"),
        (table.has_record, "_record"),
    ];
    let lineage = lineage
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| quote(name));
    let own = destination.columns.iter().map(|column| quote(&column.name));
    lineage.chain(own).collect()
}
